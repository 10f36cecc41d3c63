"""The rule about accuracy: what a training, or the lack of one, says about it."""

from typing import Protocol

from harness.analysis.verdicts import not_judged
from harness.assignment import AssignmentSpec
from harness.record import Cause, Finding, Training, wilson_interval

RULE = "min_accuracy"


class Diverged(Protocol):
    """Where a training stopped because its loss was no longer a number."""

    @property
    def epoch(self) -> int:
        """Count epochs from 1."""


def min_accuracy(training: Training, assignment: AssignmentSpec) -> Finding:
    """Check the last epoch's accuracy on the test set against the threshold."""
    threshold = assignment.rules.min_accuracy.at_least
    total = training.data.test_images
    correct = sum(row[i] for i, row in enumerate(training.confusion))
    low, high = wilson_interval(correct, total)
    share = correct / total
    margin = 100 * (share - threshold)
    actual = (
        f"{100 * share:.2f} % after epoch {len(training.epochs)} on {total:,} test images, "
        f"95 % interval {100 * low:.2f} to {100 * high:.2f} %, margin {margin:+.2f} points"
    )
    # Whole images are compared: 0.85 is not a number that binary fractions can hold.
    if correct >= round(threshold * total, 6):
        return _finding("passed", assignment, actual)
    missing = -int((correct - threshold * total) // 1)
    help_ = f"{missing:,} more of {total:,} test images must be right. "
    help_ += _tendency(training)
    return _finding("failed", assignment, actual, help_)


def diverged(event: Diverged, assignment: AssignmentSpec) -> Finding:
    """Report a training whose loss stopped being a number."""
    # Not the step: it is looked at as often as the clock allows, and equal runs have equal records.
    actual = f"training diverged at epoch {event.epoch}: the loss is not a number"
    help_ = "Add normalisation, lower recipe.lr in submission.toml, or look for a division by zero."
    return _finding("failed", assignment, actual, help_)


def not_measured(preview: Training | None, why: str, assignment: AssignmentSpec) -> Finding:
    """Report that the test set could not be had; a preview on the embedded set is named, and is no grade."""
    actual = f"not measured: {why}"
    if preview is not None:
        actual += (
            f". A preview on the embedded mini set ({preview.data.test_images:,} test images) reached "
            f"{100 * preview.accuracy:.1f} %; that number is not a grade"
        )
    help_ = (
        "Put the folder cifar-10-batches-py into ./data, or name the folder that holds it with --data or "
        "CIFAR10_ROOT, and grade again."
    )
    return _open(assignment, actual, "infrastructure", help_)


def untrainable(cause: Cause, why: str, assignment: AssignmentSpec) -> Finding:
    """Report that the network was not trained, and why."""
    advice = "Mend what the message says, or what the rules that were not judged name, and grade again."
    return _open(assignment, f"not trained: {why}", cause, advice)


# Private functions


def _expected(assignment: AssignmentSpec) -> str:
    return f"at least {100 * assignment.rules.min_accuracy.at_least:g} % after the last epoch"


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


def _tendency(training: Training) -> str:
    """Say whether the network underfits or overfits, from its last epoch."""
    last = training.epochs[-1]
    if last.train_acc < last.test_acc:
        return (
            "Training accuracy is lower than test accuracy: the network is too small or trained too briefly."
        )
    gap = 100 * (last.train_acc - last.test_acc)
    return f"Training accuracy is {gap:.1f} points above test accuracy: more augmentation or a wider network."
