"""Run networks untrained: what they do before they have learned anything, and whether they run at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.base.errors import TrainingError
from harness.loader.client import Loaded, LoadFailure
from harness.pipeline.task import Loads, Task
from harness.training.client import Child
from harness.training.events import CheckedEvent, Event, Probe, ProbedEvent, Refused
from harness.training.jobs import Model, ProbeJob

START_S = 600
"""Most seconds for the worker to begin: it imports torch, a busy machine or not."""


@dataclass(frozen=True)
class Probed:
    """A variant that was loaded, and what it does untrained: None where it could not be run."""

    loaded: Loaded
    probe: Probe | None = None
    not_run: str = ""
    """Why it could not be run; "" where an operator is not known, which is for the rules to report."""
    notes: tuple[str, ...] = ()
    """What the user should know of it; provenance, never result."""


Probes = Mapping[str, Probed | LoadFailure]
"""The variants of one submission, probed."""


def probe(task: Task, loads: Loads, worker: Child) -> Probes:
    """Run the variants of one submission that were loaded; see `probe_together`."""
    (probes,) = probe_together([(task, loads)], worker)
    return probes


def probe_together(submissions: Sequence[tuple[Task, Loads]], worker: Child) -> list[Probes]:
    """Run the variants that were loaded, of several submissions to one assignment, in one worker.

    A graph that is not what it says counts as not loaded: no rule is judged by it. Where a model takes longer
    than `limits.intake_s`, or the worker dies of it, the others are run in another one.

    Raises:
        TrainingError: the worker did not even begin: the installation is broken.
    """
    models = {
        f"{number}/{name}": task.model(name)
        for number, (task, loads) in enumerate(submissions)
        for name, loaded in loads.variants.items()
        if isinstance(loaded, Loaded)
    }
    found: Mapping[str, _Found] = {}
    if models:
        first, _ = submissions[0]
        first.listen("", "probe")
        found = _found(worker, first, models)
    return [
        {
            name: _probed(loaded, found[f"{number}/{name}"]) if isinstance(loaded, Loaded) else loaded
            for name, loaded in loads.variants.items()
        }
        for number, (_, loads) in enumerate(submissions)
    ]


# Private functions

_Found = Probe | Refused | str | TrainingError


def _probed(loaded: Loaded, found: _Found) -> Probed | LoadFailure:
    match found:
        case Probe():
            return Probed(loaded, found)
        case Refused(message=why):
            message = f"{why} No rule is judged by such a graph: hand in a model that torch.export writes."
            return LoadFailure(loaded.class_name, "bad_output", "student", message, "", loaded.output)
        case TrainingError():
            return Probed(loaded, not_run="it ended without a result", notes=(str(found),))
        case _:
            return Probed(loaded, not_run=found)


def _found(worker: Child, task: Task, models: Mapping[str, Model]) -> dict[str, _Found]:
    """Return what each model does, or why it could not be run; an error where the child died of it."""
    found: dict[str, _Found] = {}
    checked: set[str] = set()
    started = False

    def hear(event: Event) -> None:
        nonlocal started
        started = True
        if isinstance(event, CheckedEvent):
            checked.add(event.model)
        if isinstance(event, ProbedEvent):
            found[event.model] = event.found

    while left := {name: model for name, model in models.items() if name not in found}:
        earlier, started = worker.is_alive, False
        job = ProbeJob(
            models=left,
            data=task.assignment.data,
            batch_size=task.assignment.recipe.batch_size,
            threads=task.assignment.recipe.threads,
            memory_mib=task.assignment.limits.training_memory_mib,
            every_layer=task.assignment.counts_layers,
        )
        try:
            worker.run(job, hear, START_S, task.assignment.limits.intake_s)
        except TrainingError as error:
            if not started:
                if earlier and not worker.is_alive:  # it died of something between two jobs
                    continue
                raise
            # They are run in this order: it is the first that nothing was heard of.
            culprit = next((name for name in left if name not in found), None)
            if culprit is not None:
                found[culprit] = error if culprit in checked else Refused(message=str(error))
    return found
