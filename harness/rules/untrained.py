"""Verdicts of the rules about trainings where there is no accuracy: each says what it expects, and why."""

from typing import Literal, Protocol

from harness.record.record import Cause, Training
from harness.rules.verdicts import Verdict, not_judged


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


def diverged(event: Diverged) -> Verdict:
    """Report a training whose loss stopped being a number."""
    # Not the step: it is looked at as often as the clock allows, and equal runs have equal records.
    actual = f"training diverged at epoch {event.epoch}: the {event.loss} loss is not a number"
    return Verdict("failed", "", actual, help=_why_diverged(event))


def not_measured(preview: Training | None, why: str, how_to_get: str) -> Verdict:
    """Report that the test set could not be had, and how it can; a preview is named, and is no grade."""
    actual = f"not measured: {why}"
    if preview is not None:
        actual += (
            f". A preview on the embedded mini set ({preview.data.test_images:,} test images) reached "
            f"{100 * preview.accuracy:.1f} %; that number is not a grade"
        )
    return not_judged("", actual, cause="infrastructure", advice=how_to_get)


def untrainable(cause: Cause, why: str) -> Verdict:
    """Report that the network was not trained, and why."""
    advice = "Mend what the message says, or what the rules that were not judged name, and grade again."
    return not_judged("", f"not trained: {why}", cause=cause, advice=advice)


# Private functions


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
