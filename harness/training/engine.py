"""The training child: read one job from standard input, answer with a line of JSON per event.

Started as ``python -m harness.training.engine`` by `harness.training.runner`. Only events are written
to standard output; whatever a library prints goes to standard error. No student code runs here: the
network is rebuilt from its graph.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO

import torch
from pydantic import ValidationError

from harness.errors import DataError, HarnessError, TrainingError, UsageError
from harness.training.budget import WORKSPACE_MIB, bounded_memory, check_memory
from harness.training.checkpoint import weights_sha256
from harness.training.data import Data, check_files, load_mini, local_root, stats_of
from harness.training.determinism import make_deterministic, switches
from harness.training.evaluate import evaluate
from harness.training.fingerprint import fingerprint
from harness.training.gradients import measure_field
from harness.training.jobs import (
    ERRORS,
    JOBS,
    AugmentedEvent,
    AugmentJob,
    DataEvent,
    DoctorEvent,
    DoctorJob,
    DownloadEvent,
    ErrorEvent,
    EvaluateJob,
    Event,
    FieldJob,
    Job,
    ProbeJob,
    ReadyEvent,
    StartedEvent,
    TrainedEvent,
    TrainJob,
)
from harness.training.keeper import held_data
from harness.training.loop import Diverged, Inputs, train
from harness.training.network import Network, one_line, read
from harness.training.probe import probe_all
from harness.training.samples import augmented, write_samples

Emit = Callable[[Event], None]

DOWNLOAD_EVENT_S = 0.2
"""Least time between two events of a download."""


def main() -> int:
    """Do the job on standard input. Returns the exit code: 0 if the last event is a result."""
    with _events_only() as out:

        def emit(event: Event) -> None:
            out.write(event.model_dump_json().encode() + b"\n")
            out.flush()

        try:
            do(_job(sys.stdin.buffer.read()), emit)
        except BrokenPipeError:
            # Nobody is listening any more: the parent was killed.
            return 1
        except HarnessError as error:
            emit(error_event(error))
            return error.exit_code
        except Exception as error:  # noqa: BLE001 - the last resort of a process
            traceback.print_exc()
            emit(ErrorEvent(kind="training", message=f"training: unexpected error: {one_line(error)}."))
            return 1
    return 0


def do(job: Job, emit: Emit) -> None:
    """Do one job; the last event emitted is its result.

    Raises:
        HarnessError: no result could be reached, for a reason with a message of its own.
    """
    if isinstance(job, ProbeJob):
        make_deterministic(job.threads)
        data = load_mini()
        emit(StartedEvent())
        with _bounded(job.memory_mib):
            emit(probe_all(job, data, emit))
        return
    if isinstance(job, FieldJob):
        make_deterministic(job.threads)
        with _bounded(job.memory_mib):
            emit(measure_field(job))
        return
    if isinstance(job, DoctorJob):
        make_deterministic(job.threads)
        emit(_examined(job))
        return
    if isinstance(job, AugmentJob):
        data = _data(job, emit)
        write_samples(job.samples, augmented(data.train, job.recipe, job.seed, job.images))
        emit(AugmentedEvent(classes=data.classes))
        return
    if isinstance(job, EvaluateJob):
        make_deterministic(job.threads)
        inputs = _inputs(job, job.batch_size, emit)
        with _bounded(job.memory_mib, inputs.device):
            emit(evaluate(job, inputs))
        return
    make_deterministic(job.recipe.threads)
    started = time.monotonic()
    try:
        inputs = _inputs(job, job.recipe.batch_size, emit)
        emit(_ready(inputs))
        with _bounded(job.memory_mib, inputs.device):
            training = train(job, inputs, emit)
    except Diverged as end:
        emit(end.event)
        return
    emit(TrainedEvent(training=training, seconds=time.monotonic() - started))


def error_event(error: HarnessError) -> ErrorEvent:
    """Say an expected error as an event; `kind` names its class."""
    kind = next((kind for kind, cls in ERRORS.items() if isinstance(error, cls)), "training")
    return ErrorEvent.model_validate({"kind": kind, "message": str(error)})


# Private functions


def _events_only() -> BinaryIO:
    """Take standard output for the events; what libraries print goes to standard error from here on."""
    own = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(own, "wb")


def _job(text: bytes) -> Job:
    try:
        return JOBS.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise TrainingError(f"training: the job is not valid: {where}: {first['msg']}.") from None


def _inputs(job: TrainJob | EvaluateJob, batch_size: int, emit: Emit) -> Inputs:
    device = _device(job.device)
    # Before the data: a graph that is refused should not cost a download.
    plan, tensors = read(job.model.architecture, job.model.weights)
    network = Network(plan, tensors, device)
    data = _data(job, emit)
    height, width, channels = data.train.images.shape[1:]
    check_memory(plan, tensors, (batch_size, channels, height, width), job.memory_mib)
    stats = stats_of(data, job.stats_cache, recompute=job.recompute_stats)
    return Inputs(network=network, data=data, stats=stats, device=device)


def _bounded(memory_mib: int, device: torch.device | None = None) -> AbstractContextManager[None]:
    # A driver maps as much as a GPU has, and more; a GPU that is full says so itself.
    on_gpu = device is not None and device.type == "cuda"
    return nullcontext() if on_gpu else bounded_memory(memory_mib + WORKSPACE_MIB)


def _ready(inputs: Inputs) -> ReadyEvent:
    return ReadyEvent(
        fingerprint=fingerprint(inputs.device),
        data_sha256=inputs.data.sha256,
        initial_sha256=weights_sha256(inputs.network),
    )


def _examined(job: DoctorJob) -> DoctorEvent:
    root, problem = local_root(job.data), ""
    try:
        if root is not None:
            check_files(root)
    except DataError as error:
        problem = str(error)
    return DoctorEvent(
        fingerprint=fingerprint(_device("auto")),
        switches=switches(job.threads),
        data=str(root or ""),
        data_problem=problem,
    )


def _device(wanted: str) -> torch.device:
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise UsageError(
            "--device: no CUDA device; expected one that torch can use, got none. Use --device cpu or auto."
        )
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def _data(job: TrainJob | EvaluateJob | AugmentJob, emit: Emit) -> Data:
    # The labels of the mini set are no secret: they are in the order of its images.
    data = load_mini() if job.data == "mini" else held_data(job.data, _download_progress(emit))
    emit(DataEvent(name=data.name, root=data.root, message=f"{data.name}: {data.root}"))
    return data


def _download_progress(emit: Emit) -> Callable[[int, int | None], None]:
    shown_s = 0.0

    def progress(done: int, total: int | None) -> None:
        nonlocal shown_s
        if done == total or time.monotonic() - shown_s >= DOWNLOAD_EVENT_S:
            shown_s = time.monotonic()
            emit(DownloadEvent(done=done, total=total))

    return progress


if __name__ == "__main__":
    sys.exit(main())
