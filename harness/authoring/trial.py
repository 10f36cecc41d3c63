"""An assignment tried out: its reference passes, what should not pass does not, an epoch runs, and how long.

Each step gives checks. CAUTION: it may not be what the teacher means. FAIL: it cannot be graded by.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from harness.assignment.spec import AssignmentSpec
from harness.authoring.opponents import Opponent, altered, broken_by, exported
from harness.authoring.remarks import full_epochs, remarks
from harness.base.errors import DataUnavailableError, HarnessError, UsageError
from harness.base.machine import Check
from harness.datasets.dataset import PREVIEW
from harness.datasets.loading import data_path, how_to_get
from harness.graph.naming import counted
from harness.pipeline.duration import in_words
from harness.pipeline.grade import grade_variants
from harness.pipeline.jobs import run_training
from harness.pipeline.judging import Judged
from harness.pipeline.loading import in_sandbox
from harness.pipeline.recording import Graded, record
from harness.pipeline.task import Listener, Settings, Stage, Task
from harness.record.findings import Finding
from harness.record.record import Record
from harness.record.trainings import Training, accuracy_of
from harness.rules.base import TrainingRule
from harness.rules.judging import judge_trainings
from harness.settings.recipe import RecipeSpec
from harness.sources.submission import open_submission
from harness.training.client import Child
from harness.training.events import EpochEvent, Event, TrainedEvent


def judged(spec: AssignmentSpec, variant: str, training: Training, epochs: int) -> Iterator[Check]:
    """Judge what a perfect network and one that guesses would have reached in place of `training`."""
    rules = spec.rules_for(variant)
    perfect = judge_trainings(_several(spec, variant, _with(spec, training, epochs, 1.0)), rules)
    by_chance = _with(spec, training, epochs, spec.data.chance)
    guessing = judge_trainings(_several(spec, variant, by_chance), rules)
    for best, worst in zip(perfect, guessing, strict=True):
        name = f"{variant}: {best.rule}"
        if best.status != "passed":
            yield Check(name, "FAIL", f"nobody can pass: expected {best.expected}", "Ask for less.")
        elif worst.status != "failed":
            yield Check(name, "CAUTION", "a network that guesses passes", "Is it what you meant?")
        else:
            yield Check(name, "PASS", "fails for a network that guesses, passes for a perfect one")


Checks = Iterator[Check]
NOT_JUDGED = "reference"
"""The check that fails where the reference could not be loaded."""


def try_out(spec: AssignmentSpec, submission: Path | None, settings: Settings, listen: Listener) -> Checks:
    """Try an assignment with a submission that should pass it; results of the training go to `settings.out`.

    Raises:
        HarnessError: the submission cannot be opened, or no process can be locked on this machine.
    """
    yield from remarks(spec)
    yield _data(spec, settings.data)
    opponents = exported(spec, lambda _, event: listen("networks that should not pass", event))
    if submission is None:
        fix = "Name one with --submission, or put one into a folder beside the file, of the same name."
        yield Check("reference", "CAUTION", "no submission to try it with", fix)
        for variant in spec.variants:
            yield from _rules(spec, variant, {}, opponents)
        return
    task = _opened(spec, submission, settings, listen)
    graded = grade_variants(task)
    found = record(task, graded)
    for variant in spec.variants:
        yield from _answered(variant, found)
        others = (*opponents, *_altered(graded, variant, spec))
        yield from _rules(spec, variant, _findings(found, variant), others)
    yield from _training(task, graded)


def outcome(checks: tuple[Check, ...]) -> int:
    """Return the exit code: 0 where nothing failed, 3 where something could not be tried, 1 else."""
    failed = {check.name for check in checks if check.level == "FAIL"}
    return 3 if failed & {"epoch", NOT_JUDGED} else int(bool(failed))


@dataclass(frozen=True)
class Forecast:
    """Seconds of the trainings that decide a variant's grade, where all goes well and where it is close."""

    first_s: float
    borderline_s: float
    epochs: int
    trainings: int
    most_trainings: int


def forecast(spec: AssignmentSpec, variant: str, recipe: RecipeSpec, epoch_s: float) -> Forecast:
    """Judge by the seconds of one epoch on all training images at their full size.

    The cost of an epoch is taken to grow with the number of pixels, as that of convolutions does.
    """
    rules = [one for one in spec.rules_for(variant) if isinstance(one.rule, TrainingRule)]
    least = [one.rule.least_seeds(one.settings) for one in rules if isinstance(one.rule, TrainingRule)]
    first = max([spec.seeds.first, *least]) if rules else 0
    most = max(first, spec.seeds.borderline) if rules else 0
    once = epoch_s * full_epochs(recipe, spec.data.input_shape[-1])
    return Forecast(first * once, most * once, recipe.epochs, first, most)


# Private functions


def _with(spec: AssignmentSpec, training: Training, epochs: int, share: float) -> Training:
    """Return a training with another accuracy, in each of the recipe's epochs."""
    images, classes = training.data.test_images, spec.data.num_classes
    right = round(share * images)
    confusion = [[0] * classes for _ in range(classes)]
    confusion[0][0], confusion[0][1] = right, images - right
    accuracy, interval = accuracy_of(confusion)
    log = training.epochs[-1].model_copy(update={"train_acc": share, "test_acc": share})
    return training.model_copy(
        update={
            "epochs": tuple(log.model_copy(update={"epoch": number + 1}) for number in range(epochs)),
            "best_epoch": epochs,
            "confusion": tuple(map(tuple, confusion)),
            "accuracy": accuracy,
            "accuracy_interval": interval,
        }
    )


def _several(spec: AssignmentSpec, variant: str, training: Training) -> list[Training]:
    """Repeat a training with as many seeds as decide."""
    count = spec.seeds_needed((), variant)
    return [training.model_copy(update={"seed": spec.seed + number}) for number in range(count)]


def _data(spec: AssignmentSpec, folder: str | None) -> Check:
    where = data_path(spec.data, folder)
    if where is not None:
        return Check("data", "PASS", f"{spec.data.title}: {where}")
    return Check("data", "CAUTION", f"{spec.data.title} is not on this machine", how_to_get(spec.data))


def _opened(spec: AssignmentSpec, path: Path, settings: Settings, listen: Listener) -> Task:
    """Open the submission with those of the assignment's variants that it answers."""
    try:
        submission = open_submission(path, spec)
    except UsageError:
        submission = open_submission(path, spec, variants=tuple(spec.variants))
    return Task(submission, spec, settings, in_sandbox(), listen)


def _answered(variant: str, record: Record) -> Checks:
    """Yield the checks of a variant that the submission does not answer, or that cannot be loaded."""
    if variant not in record.variants:
        yield Check(
            variant, "CAUTION", "the reference does not answer this variant", "Add it to the submission.toml."
        )
    elif record.variants[variant].is_missing:
        found = "asked for, and the reference does not answer it"
        yield Check(variant, "FAIL", found, "Add it to the submission.toml.")
    elif (problem := record.variants[variant].problem) is not None:
        yield Check(NOT_JUDGED, "FAIL", f"{variant}: {problem.message}", "Correct the submission.")


def _findings(record: Record, variant: str) -> dict[str, Finding]:
    """Return the rules' findings on the reference, by name; none where it could not be loaded."""
    answered = record.variants.get(variant)
    if answered is None or answered.is_missing or answered.problem is not None:
        return {}
    return {finding.rule: finding for finding in answered.findings}


def _rules(
    spec: AssignmentSpec, variant: str, kept: dict[str, Finding], opponents: tuple[Opponent, ...]
) -> Checks:
    for rule, opponent in broken_by(spec, variant, opponents).items():
        yield _rule(f"{variant}: {rule}", kept.get(rule), opponent)


def _rule(name: str, finding: Finding | None, opponent: str) -> Check:
    """Return the check that the reference passes a rule, and what does not."""
    if finding is not None and finding.status != "passed":
        found = f"the reference does not pass: expected {finding.expected}, found {finding.actual}"
        return Check(name, "FAIL", found, f"{finding.help} Or ask for something else.")
    passes = f"the reference passes: {finding.actual}; " if finding is not None else ""
    if not opponent:
        found = f"{passes}no generated network breaks it"
        return Check(name, "CAUTION", found, "Is it what you meant?")
    return Check(name, "PASS", f"{passes}fails for {opponent}")


def _altered(graded: Graded, variant: str, spec: AssignmentSpec) -> Iterator[Opponent]:
    one = graded.variants.get(variant)
    if one is None or not isinstance(one.judged, Judged):
        return iter(())
    return altered(one.judged.network, one.judged.probed.probe, spec)


def _training(task: Task, graded: Graded) -> Checks:
    """Train the default variant for an epoch, and say what it reached and how long a grade would take."""
    if task.assignment.policy.rules_only:
        yield Check("time", "PASS", "a grade takes seconds: the rules alone are the grade")
        return
    spec, variants = task.assignment, task.submission.variants
    variant = spec.default_variant if spec.default_variant in variants else next(iter(variants))
    network = graded.variants[variant].judged
    if not isinstance(network, Judged):
        return
    recipe = task.recipe_of(variant, network.probed.loaded.architecture)
    try:
        training, seconds = _one_epoch(task, variant, recipe)
    except DataUnavailableError as error:
        yield Check(
            "epoch", "CAUTION", "nothing was trained, so it is not known how long a grade takes", str(error)
        )
        return
    except HarnessError as error:
        yield Check("epoch", "FAIL", f"{variant}: {error}", "Do what the message says.")
        return
    yield Check("epoch", "PASS", _reached(variant, training, seconds))
    yield from judged(spec, variant, training, recipe.epochs)
    yield _how_long(task, variant, recipe, training, seconds)


def _one_epoch(task: Task, variant: str, recipe: RecipeSpec) -> tuple[Training, float]:
    """Train one epoch at full size, on the data that is here, else on the embedded sample."""
    epochs: list[EpochEvent] = []

    def listen(name: str, event: Event | Stage) -> None:
        if isinstance(event, EpochEvent):
            epochs.append(event)
        task.listen(name, event)

    data = task.assignment.data
    is_here = data_path(data, task.settings.data) is not None
    if not is_here and data.miniature is None:
        raise DataUnavailableError(f"{data.title} is not here, and no sample is embedded. {how_to_get(data)}")
    settings = task.settings if is_here else replace(task.settings, data=PREVIEW)
    once = recipe.model_copy(update={"epochs": 1, "stages": ()})
    with closing(Child()) as worker:
        final = run_training(replace(task, listen=listen, settings=settings), variant, once, worker)
    if not isinstance(final, TrainedEvent):
        raise HarnessError(final.message)
    return final.training, epochs[-1].seconds


def _reached(variant: str, training: Training, seconds: float) -> str:
    preview = " (the embedded sample, not the data set)" if training.data.name == PREVIEW else ""
    return (
        f"{variant}: {100 * training.accuracy:.2f} % after one epoch of {in_words(seconds)} on "
        f"{training.data.train_images:,} images{preview}"
    )


def _how_long(task: Task, variant: str, recipe: RecipeSpec, training: Training, seconds: float) -> Check:
    images = task.assignment.data.train_images or training.data.train_images
    found = forecast(task.assignment, variant, recipe, seconds * images / training.data.train_images)
    if not found.trainings:
        return Check("time", "PASS", "a grade takes seconds: no rule is about trainings")
    said = f"a grade of {variant} takes about {in_words(found.first_s)} here, as busy as the machine is now"
    said += f": {counted(found.trainings, 'training')} of {found.epochs} epochs"
    if found.most_trainings > found.trainings:
        close = in_words(found.borderline_s)
        said += f"; about {close} where it is close, and {found.most_trainings} trainings decide"
    limit = task.assignment.limits.training_s
    if found.first_s / found.trainings > limit:
        fix = f"A training is stopped after limits.training_s = {limit}: allow more, or ask for less."
        return Check("time", "FAIL", said, fix)
    return Check("time", "PASS", said)
