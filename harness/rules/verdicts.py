"""The verdicts that a rule can give, and those of every training rule where there is no accuracy."""

from dataclasses import dataclass
from typing import Literal, Protocol

from harness.graph.head import describe
from harness.graph.ir import Node
from harness.graph.naming import at
from harness.graph.receptive_field.field import Unknown
from harness.graph.view import View
from harness.record.findings import Cause, Status, Where
from harness.record.trainings import Training


@dataclass(frozen=True)
class Verdict:
    """A rule's judgement of a network; text to show.

    `cause` says whose fault it is that a rule is not judged. `points` are those earned by a rule that gives
    some of its points, and None where it is all or nothing.
    """

    status: Status
    expected: str
    actual: str
    where: tuple[Where, ...] = ()
    help: str = ""
    cause: Cause | None = None
    points: int | None = None
    step: int = 0
    """Place in the order of steps, from 1; 0 where there is nothing to do."""


def passed(expected: str, actual: str, *nodes: Node) -> Verdict:
    """Return the verdict that a rule holds."""
    return Verdict("passed", expected, actual, at(*nodes))


def failed(expected: str, actual: str, *nodes: Node, advice: str) -> Verdict:
    """Return the verdict that a rule does not hold, where, and what to change."""
    return Verdict("failed", expected, actual, at(*nodes), advice)


def not_judged(expected: str, actual: str, *nodes: Node, cause: Cause, advice: str) -> Verdict:
    """Return the verdict that a rule cannot be judged, whose fault that is, and what to do."""
    return Verdict("not_judged", expected, actual, at(*nodes), advice, cause)


def unknown_operator(expected: str, reason: Unknown) -> Verdict:
    """Return the verdict for an operator in the way whose effect is not known."""
    node = reason.node
    source = f" ({node.source})" if node.source else ""
    return not_judged(
        expected,
        f"unknown: {node.op} in {node.layer}{source}: {reason.why}",
        node,
        cause="harness",
        advice=f"The harness does not know what {node.op} does here. Write it with standard layers, "
        "or ask the teacher to judge this rule by hand.",
    )


def without_head(expected: str, view: View) -> Verdict:
    """Return the verdict of a rule that measures at the head, where there is none."""
    if view.head.unknown is not None and view.unknown_operators:
        return unknown_operator(expected, view.unknown_operators[0])
    return not_judged(
        expected,
        f"no feature map leads to the output; head: {describe(view.measured, view.head)}",
        cause="student",
        advice="Make the rule about the head pass first: it says where the network's head begins.",
    )


class Diverged(Protocol):
    """The place where a training stopped because its loss was no longer a number."""

    @property
    def epoch(self) -> int:
        """Count epochs from 1."""

    @property
    def loss(self) -> Literal["training", "test"]:
        """The loss that it was."""

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
    advice = "Correct what the message says, or what the rules that were not judged name, and grade again."
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
