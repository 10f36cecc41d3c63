"""The rule about accuracy: what trainings, or the lack of one, say about it."""

import math
import statistics
from collections.abc import Sequence
from typing import Literal, Protocol

from harness.analysis.verdicts import not_judged
from harness.assignment import AssignmentSpec
from harness.datasets.places import how_to_get
from harness.record import Cause, Finding, Training, mean_accuracy

RULE = "min_accuracy"


class Diverged(Protocol):
    """Where a training stopped because its loss was no longer a number."""

    @property
    def epoch(self) -> int:
        """Count epochs from 1."""

    @property
    def loss(self) -> Literal["training", "test"]:
        """Which loss it was."""

    @property
    def peak_lr(self) -> float:
        """Highest learning rate of the schedule."""

    @property
    def rising(self) -> bool:
        """Whether the learning rate was still on its way to the peak."""


def near_the_line(trainings: Sequence[Training], assignment: AssignmentSpec) -> bool:
    """Tell whether the threshold lies inside the 95 % interval, so that chance may have decided."""
    _, (low, high) = mean_accuracy(trainings)
    return low <= assignment.rules.min_accuracy.at_least <= high


def seeds_needed(trainings: Sequence[Training], assignment: AssignmentSpec) -> int:
    """Say how many trainings decide, given the first ones, which are at least one."""
    seeds = assignment.seeds
    if len(trainings) < seeds.first:
        return seeds.first
    return seeds.borderline if near_the_line(trainings[: seeds.first], assignment) else seeds.first


def min_accuracy(trainings: Sequence[Training], assignment: AssignmentSpec) -> Finding:
    """Check the last epoch's accuracy on the test set against the threshold.

    Of several trainings, the mean decides.
    """
    threshold = assignment.rules.min_accuracy.at_least
    share, (low, high) = mean_accuracy(trainings)
    total = sum(training.data.test_images for training in trainings)
    correct = sum(training.correct for training in trainings)
    images = trainings[0].data.test_images
    actual = (
        f"{100 * share:.2f} %{_over_seeds(trainings)} after epoch {len(trainings[0].epochs)} on {images:,} "
        f"test images, 95 % interval {100 * low:.2f} to {100 * high:.2f} %, "
        f"margin {100 * (share - threshold):+.2f} points"
    )
    # Whole images are compared: 0.85 is not a number that binary fractions can hold.
    if correct >= round(threshold * total, 6):
        return _finding("passed", assignment, actual)
    missing = math.ceil(round(threshold * total - correct, 6) / len(trainings))
    help_ = f"{missing:,} more of {images:,} test images must be right. {_tendency(trainings[0])}"
    return _finding("failed", assignment, actual, help_)


def diverged(event: Diverged, assignment: AssignmentSpec) -> Finding:
    """Report a training whose loss stopped being a number."""
    # Not the step: it is looked at as often as the clock allows, and equal runs have equal records.
    actual = f"training diverged at epoch {event.epoch}: the {event.loss} loss is not a number"
    return _finding("failed", assignment, actual, _why_diverged(event))


def not_measured(preview: Training | None, why: str, assignment: AssignmentSpec) -> Finding:
    """Report that the test set could not be had; a preview on the embedded set is named, and is no grade."""
    actual = f"not measured: {why}"
    if preview is not None:
        actual += (
            f". A preview on the embedded mini set ({preview.data.test_images:,} test images) reached "
            f"{100 * preview.accuracy:.1f} %; that number is not a grade"
        )
    return _open(assignment, actual, "infrastructure", how_to_get(assignment.data))


def untrainable(cause: Cause, why: str, assignment: AssignmentSpec) -> Finding:
    """Report that the network was not trained, and why."""
    advice = "Mend what the message says, or what the rules that were not judged name, and grade again."
    return _open(assignment, f"not trained: {why}", cause, advice)


def restated(finding: Finding, assignment: AssignmentSpec) -> Finding:
    """Say once more, under another assignment, why there is no accuracy: only what it is worth changes."""
    most = assignment.points.min_accuracy
    points = None if finding.points is None else 0
    update = {"expected": _expected(assignment), "points": points, "max_points": most}
    return finding.model_copy(update=update)


# Private functions


def _expected(assignment: AssignmentSpec) -> str:
    return f"at least {100 * assignment.rules.min_accuracy.at_least:g} % after the last epoch"


def _over_seeds(trainings: Sequence[Training]) -> str:
    """Name the trainings of a mean; nothing to say of a single one."""
    if len(trainings) == 1:
        return ""
    each = ", ".join(f"{100 * training.accuracy:.2f}" for training in trainings)
    seeds = ", ".join(str(training.seed) for training in trainings)
    spread = 100 * statistics.stdev(training.accuracy for training in trainings)
    return f" on average over seeds {seeds} ({each} %; standard deviation {spread:.2f} points)"


def _finding(status: str, assignment: AssignmentSpec, actual: str, help_: str = "") -> Finding:
    most = assignment.points.min_accuracy
    return Finding.model_validate(
        {
            "rule": RULE,
            "status": status,
            "expected": _expected(assignment),
            "actual": actual,
            "help": help_,
            "points": most if status == "passed" else 0,
            "max_points": most,
        }
    )


def _open(assignment: AssignmentSpec, actual: str, cause: Cause, help_: str) -> Finding:
    finding = not_judged(RULE, _expected(assignment), actual, cause=cause, advice=help_)
    return finding.model_copy(update={"max_points": assignment.points.min_accuracy})


def _why_diverged(event: Diverged) -> str:
    if event.loss == "test":
        return (
            "The training loss is a number, so look at what only eval does: running statistics that grew "
            "without bound, or a division by one of them."
        )
    if event.rising:
        return (
            f"The learning rate was still rising to its peak of {event.peak_lr:g}, which is most likely too "
            "high for this network: lower recipe.lr in submission.toml, or add batch-norm."
        )
    return (
        f"The learning rate was past its peak of {event.peak_lr:g}: look for a layer whose output grows "
        "without bound or a division by zero; add batch-norm, or lower recipe.lr in submission.toml."
    )


def _tendency(training: Training) -> str:
    """Say whether the network is stuck at chance, underfits or overfits, from its log."""
    last = training.epochs[-1]
    if (stuck := _stuck_at_chance(training)) is not None:
        return stuck
    if last.train_acc < last.test_acc:
        return (
            "Training accuracy is lower than test accuracy: the network is too small or trained too briefly."
        )
    gap = 100 * (last.train_acc - last.test_acc)
    return f"Training accuracy is {gap:.1f} points above test accuracy: more augmentation or a wider network."


def _stuck_at_chance(training: Training) -> str | None:
    """Say since when the network only guesses, and the likely reason; None if it does not."""
    chance = 1 / len(training.data.classes)
    # Three standard deviations of a network that guesses.
    most = chance + 3 * math.sqrt(chance * (1 - chance) / training.data.test_images)
    better = [log for log in training.epochs if log.test_acc > most]
    since = better[-1].epoch + 1 if better else 1
    if since > len(training.epochs):
        return None
    said = f"It is stuck at chance ({100 * chance:g} %) since epoch {since}: "
    last, peak = training.epochs[-1], training.recipe.get("lr", "unknown")
    if last.train_acc > 2 * chance:
        return said + (
            f"in training it reaches {100 * last.train_acc:.1f} %, so what it learns is lost in eval. Look "
            "at the running statistics of batch-norm, and at layers that do something else in eval."
        )
    if better:
        best = max(better, key=lambda log: log.test_acc)
        return said + (
            f"it had reached {100 * best.test_acc:.1f} % at epoch {best.epoch} and lost it, most likely to a "
            f"learning rate that is too high (peak {peak}). Lower recipe.lr in submission.toml."
        )
    return said + (
        "it never learned anything. Most likely no gradient reaches its weights (an output that hardly "
        "depends on the image, ReLUs that are always off, weights that start at zero), or the learning rate "
        f"(peak {peak}) is too high."
    )
