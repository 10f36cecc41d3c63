"""Run networks untrained: what they do before they have learned anything, and whether they run at all."""

from collections.abc import Mapping
from contextlib import closing

from harness.base.errors import TrainingError
from harness.loader.load import Traced, Untraced
from harness.pipeline.run import Run
from harness.training.events import CheckedEvent, Event, Probe, ProbedEvent, Refused
from harness.training.jobs import Model, ProbeJob
from harness.training.runner import Child

START_S = 600
"""Most seconds for the child to begin: it imports torch, a busy machine or not."""


def probe(*runs: Run) -> None:
    """Run the models that were taken in, in a child of their own; see `probe_in`."""
    with closing(Child()) as child:
        probe_in(child, *runs)


def probe_in(child: Child, *runs: Run) -> None:
    """Run the models that were taken in; an unknown operator is for the rules to report.

    A graph that is not what it says counts as not taken in: no rule is judged by it. Several runs must
    be of one assignment. Where a model takes longer than `limits.intake_s`, or the child dies of it, the
    others are run in another child.

    Raises:
        TrainingError: the child did not even begin: the installation is broken.
    """
    models = {
        f"{number}/{name}": run.model(name)
        for number, run in enumerate(runs)
        for name, traced in run.traced.items()
        if isinstance(traced, Traced)
    }
    if models:
        runs[0].listen("", "probe")
    for name, found in _probed(child, runs[0], models).items():
        number, _, variant = name.partition("/")
        run = runs[int(number)]
        if isinstance(found, Probe):
            run.probes[variant] = found
        elif isinstance(found, Refused):
            run.traced[variant] = _refused(run.traced[variant], found)
        elif isinstance(found, TrainingError):
            run.not_run[variant] = "it ended without a result"
            run.notes.append(str(found))
        else:
            run.not_run[variant] = found


# Private functions

_Found = Probe | Refused | str | TrainingError


def _refused(traced: Traced | Untraced, why: Refused) -> Untraced:
    message = f"{why.message} No rule is judged by such a graph: hand in a model that torch.export writes."
    return Untraced(traced.class_name, "bad_output", "student", message, "", traced.output)


def _probed(child: Child, run: Run, models: Mapping[str, Model]) -> dict[str, _Found]:
    """Give what each model does, or why it could not be run; an error where the child died of it."""
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
        earlier, started = child.is_alive, False
        job = ProbeJob(
            models=left,
            data=run.assignment.data,
            batch_size=run.assignment.recipe.batch_size,
            threads=run.assignment.recipe.threads,
            memory_mib=run.assignment.limits.training_memory_mib,
            every_layer=run.assignment.counts_layers,
        )
        try:
            child.run(job, hear, START_S, run.assignment.limits.intake_s)
        except TrainingError as error:
            if not started:
                if earlier:  # it died of something between two jobs
                    continue
                raise
            # They are run in this order: it is the first that nothing was heard of.
            culprit = next((name for name in left if name not in found), None)
            if culprit is not None:
                found[culprit] = error if culprit in checked else Refused(message=str(error))
    return found
