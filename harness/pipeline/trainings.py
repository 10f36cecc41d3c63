"""Train a variant for its grade: once, and with further seeds where the accuracy is too close to the line."""

from dataclasses import replace

from harness.base.errors import DataUnavailableError, GraphError, HarnessError, TrainingError
from harness.datasets.dataset import PREVIEW
from harness.datasets.places import how_to_get
from harness.graph.cuda import not_on_cuda
from harness.loader.load import Traced
from harness.pipeline.run import Run, take_in, train, with_seed
from harness.record.record import Finding, Training
from harness.rules.judging import judge_trainings, not_trained
from harness.rules.verdicts import Verdict, diverged, not_measured, untrainable
from harness.settings.recipe import RecipeSpec
from harness.training.events import DataEvent, DivergedEvent, Probe, TrainedEvent

PREVIEW_EPOCHS = 4
"""Epochs of the preview on the embedded set, when the real data cannot be had."""

Accuracy = tuple[tuple[Training, ...], tuple[Finding, ...]]
"""Trainings by seed, and the verdicts on them."""


class _NoTrainingError(HarnessError):
    """A training of a variant did not come about; `verdict` says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.actual)
        self.verdict = verdict


def accuracy(run: Run, name: str, recipe: RecipeSpec, probed: Probe | None) -> Accuracy:
    """Train for the grade, or preview on the embedded set where the real data cannot be had.

    Returns the trainings, by seed, and the verdicts on them.

    Raises:
        HarnessError: there can be no verdict.
    """
    rules = run.assignment.rules_for(name)
    if probed is None:
        why = run.not_run.get(name)
        unknown = "the network could not be rebuilt from its graph"
        return (), not_trained(untrainable("student" if why else "harness", why or unknown), rules)
    if run.settings.device == "cuda" and (cannot := _not_on_cuda(run, name)):
        return (), not_trained(untrainable("harness", f"{cannot}; use --device cpu"), rules)
    if run.settings.data == PREVIEW:
        return _preview(run, name, recipe, "the embedded mini set was asked for")
    trainings: tuple[Training, ...] = ()
    try:
        trainings = (_trained(run, name, recipe),)
        while len(trainings) < run.assignment.seeds_needed(trainings, name):
            trainings += (further(run, name, recipe, run.seed + len(trainings)),)
    except _NoTrainingError as end:
        return trainings, not_trained(end.verdict, rules)
    except DataUnavailableError as error:
        return _offline(run, name, recipe, error)
    return trainings, judge_trainings(trainings, rules)


def further(run: Run, name: str, recipe: RecipeSpec, seed: int) -> Training:
    """Train once more, just as a grade with another seed does: other initial weights, order, augmentation.

    Raises:
        HarnessError: it could not be trained.
    """
    again = with_seed(run, name, seed)
    run.listen(name, "borderline")
    take_in(again)
    first, traced = run.traced[name], again.traced[name]
    if not isinstance(traced, Traced) or not isinstance(first, Traced) or traced.sha256 != first.sha256:
        why = f"the network could not be built a second time as it was (seed {seed})"
        raise _NoTrainingError(untrainable("student", why))
    try:
        return _trained(again, name, recipe)
    finally:
        run.notes += again.notes
        run.fingerprint |= again.fingerprint
        run.seconds |= {f"{name}, seed {seed}": spent for spent in again.seconds.values()}


# Private functions


def _not_on_cuda(run: Run, name: str) -> str | None:
    traced = run.traced[name]
    return not_on_cuda(traced.architecture) if isinstance(traced, Traced) else None


def _trained(run: Run, name: str, recipe: RecipeSpec) -> Training:
    try:
        final = train(run, name, recipe)
    except GraphError as error:
        raise _NoTrainingError(untrainable("student", str(error))) from None
    except TrainingError as error:
        run.notes.append(str(error))
        why = "training ended without a result"
        raise _NoTrainingError(untrainable("infrastructure", why)) from None
    if isinstance(final, DivergedEvent):
        raise _NoTrainingError(diverged(final))
    return final.training


def _offline(run: Run, name: str, recipe: RecipeSpec, error: DataUnavailableError) -> Accuracy:
    """Preview on the embedded set in place of data that cannot be had, where there is such a set."""
    data = run.assignment.data
    why, embedded = f"{data.title} could not be had", data.miniature is not None
    follows = "A short preview on the embedded mini set follows; it is not a grade."
    message = f"{error} {follows if embedded else 'No sample of it is embedded to preview on.'}"
    run.notes.append(message)
    run.listen(name, DataEvent(name=PREVIEW, root="", message=message))
    if embedded:
        return _preview(run, name, recipe, why)
    return (), not_trained(not_measured(None, why, how_to_get(data)), run.assignment.rules_for(name))


def _preview(run: Run, name: str, recipe: RecipeSpec, why: str) -> Accuracy:
    """Train briefly on the embedded set: it shows that everything works, and is never a grade."""
    short = recipe.model_copy(update={"epochs": min(recipe.epochs, PREVIEW_EPOCHS), "stages": ()})
    rules, how = run.assignment.rules_for(name), how_to_get(run.assignment.data)
    offline = replace(run, settings=replace(run.settings, data=PREVIEW, resume=None))
    try:
        final = train(offline, name, short)
    except (GraphError, TrainingError) as error:
        run.notes.append(str(error))
        return (), not_trained(not_measured(None, why, how), rules)
    training = final.training if isinstance(final, TrainedEvent) else None
    return (training,) if training else (), not_trained(not_measured(training, why, how), rules)
