"""Load the variants of a submission: the first stage, and the only one in which student code runs."""

import shutil
import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from harness.base.errors import HarnessError
from harness.base.files import write_text
from harness.base.seeds import seed_for
from harness.loader.client import PROGRAM, Loaded, LoadFailure, open_loader, readable, trace
from harness.loader.protocol import Request
from harness.pipeline.task import Loads, Source, Task
from harness.sandbox.client import Sandbox
from harness.sandbox.self_check import SelfCheck, without_sandbox
from harness.training.jobs import Model


def load(task: Task) -> Loads:
    """Load every variant from the task's source; graphs and initial weights go to the variants' folders.

    Raises:
        HarnessError: the source cannot be read at all.
    """
    loads = task.source(task)
    for name, loaded in loads.variants.items():
        if isinstance(loaded, Loaded):
            _write(loaded, task.model(name))
    return loads


def in_sandbox(sandbox: Sandbox | None = None, input_shape: tuple[int, int, int] | None = None) -> Source:
    """Return the source that exports every variant in a child of the sandbox, from the submission's files.

    `input_shape` is (C, H, W) of one image, the assignment's if not given. `sandbox` is one that is open and
    stays open; without it, one is opened for each task. The source raises SandboxError where no process can
    be locked on this machine; nothing of the submission has run then.
    """

    def source(task: Task) -> Loads:
        task.listen("", "load")
        shape = input_shape or task.assignment.data.input_shape
        with _opened(task, sandbox) as opened, readable(task.submission.root, opened) as copy:
            variants = {name: _exported(task, name, opened, copy, shape) for name in task.submission.variants}
            return Loads(opened.backend, variants)

    return source


def required(loaded: Loaded | LoadFailure) -> Loaded:
    """Return a variant that was loaded.

    Raises:
        HarnessError: it could not be; the message says why.
    """
    if isinstance(loaded, LoadFailure):
        raise HarnessError(f"{loaded.message}\n{loaded.traceback}".rstrip())
    return loaded


# Private functions


def _opened(task: Task, sandbox: Sandbox | None) -> AbstractContextManager[Sandbox | SelfCheck]:
    if sandbox is not None:
        return nullcontext(sandbox)
    return without_sandbox(PROGRAM) if task.settings.self_check else open_loader(task.settings.sandbox)


def _exported(
    task: Task, name: str, sandbox: Sandbox | SelfCheck, copy: Path, input_shape: tuple[int, int, int]
) -> Loaded | LoadFailure:
    """Export one variant of a copy, in a child of its own; its weights go to the variant's folder."""
    limits, requested = task.assignment.limits, task.submission.variants[name].requested
    in_copy = copy / requested.file.relative_to(task.submission.root)
    with tempfile.TemporaryDirectory(prefix="harness-") as temporary:
        request = Request(
            root=copy,
            requested=requested.model_copy(update={"file": in_copy}),
            input_shape=input_shape,
            classes=task.assignment.data.num_classes,
            init_seed=seed_for(task.seed, "init"),
            other_init_seed=seed_for(task.seed + 1, "init"),
            cpu_s=limits.intake_cpu_s,
            memory_mib=limits.intake_memory_mib,
            output_mib=limits.intake_output_mib,
            out=Path(temporary),
        )
        loaded = trace(request, limits, sandbox)
        return _moved(loaded, task.model(name)) if isinstance(loaded, Loaded) else loaded


def _moved(loaded: Loaded, model: Model) -> Loaded:
    model.weights.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(loaded.weights, model.weights)
    return replace(loaded, weights=model.weights)


def _write(loaded: Loaded, model: Model) -> None:
    """Write what was validated, not the file it was read from."""
    write_text(model.architecture, loaded.text)
    if loaded.weights != model.weights:
        shutil.copyfile(loaded.weights, model.weights)
