"""The three verdicts that a rule can give."""

from dataclasses import dataclass

from harness.graph.head import describe
from harness.graph.ir import Node
from harness.graph.naming import at
from harness.graph.receptive_field.field import Unknown
from harness.graph.view import View
from harness.record.record import Cause, Status, Where


@dataclass(frozen=True)
class Verdict:
    """What a rule says of a network; text to show.

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
    """Place in the order of work, from 1; 0 where there is nothing to do."""


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
