"""The three verdicts a rule can give, as findings; points are added later."""

from collections.abc import Sequence

from harness.analysis.field import Unknown
from harness.analysis.graph import Node
from harness.record import Cause, Finding, Where

MOST_PLACES = 8
"""Places named in one finding; more do not help."""


def at(*nodes: Node) -> tuple[Where, ...]:
    """Name the places of nodes, each once."""
    places = (Where(layer=node.layer, source=node.source, op=node.op) for node in nodes)
    return tuple(dict.fromkeys(places))[:MOST_PLACES]


def layers(nodes: Sequence[Node]) -> str:
    """List the layers of nodes for a sentence."""
    names = list(dict.fromkeys(node.layer for node in nodes))
    more = f" and {len(names) - MOST_PLACES} more" if len(names) > MOST_PLACES else ""
    return ", ".join(names[:MOST_PLACES]) + more


def counted(count: int, noun: str) -> str:
    """Say how many of something there are: "1 convolution", "2 convolutions"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def passed(rule: str, expected: str, actual: str, *nodes: Node) -> Finding:
    """Say that a rule holds."""
    return Finding(rule=rule, status="passed", expected=expected, actual=actual, where=at(*nodes))


def failed(rule: str, expected: str, actual: str, *nodes: Node, advice: str) -> Finding:
    """Say that a rule does not hold, where, and what to change."""
    return Finding(
        rule=rule, status="failed", expected=expected, actual=actual, where=at(*nodes), help=advice
    )


def not_judged(rule: str, expected: str, actual: str, *nodes: Node, cause: Cause, advice: str) -> Finding:
    """Say that nobody can tell whether a rule holds, whose fault that is, and what to do."""
    return Finding(
        rule=rule,
        status="not_judged",
        cause=cause,
        expected=expected,
        actual=actual,
        where=at(*nodes),
        help=advice,
    )


def opaque(rule: str, expected: str, reason: Unknown) -> Finding:
    """Say that an operator stands in the way whose effect is not known."""
    node = reason.node
    source = f" ({node.source})" if node.source else ""
    return not_judged(
        rule,
        expected,
        f"unknown: {node.op} in {node.layer}{source}: {reason.why}",
        node,
        cause="harness",
        advice=f"The harness does not know what {node.op} does here. Write it with standard layers, "
        "or ask the teacher to judge this rule by hand.",
    )
