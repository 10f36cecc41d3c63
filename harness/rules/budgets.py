"""A budget of an assignment: a number that may not be exceeded, and words for it."""

from harness.base.tables import Positive
from harness.graph.ir import Node
from harness.rules.base import RuleSettings
from harness.rules.verdicts import Verdict, failed, passed


class Budget(RuleSettings):
    """The largest number allowed."""

    at_most: Positive


def judged_by_budget(
    limits: Budget, number: int, unit: str, largest: list[tuple[str, int]], *nodes: Node
) -> Verdict:
    """Judge a number; `largest` names what takes most of it, in the same unit."""
    expected, actual = f"at most {limits.at_most:,} {unit}", f"{number:,} {unit}"
    if number <= limits.at_most:
        return passed(expected, actual, *nodes)
    named = ", ".join(f"{name} ({size:,})" for name, size in largest[:3])
    advice = f"Save at least {number - limits.at_most:,}; the largest are {named}."
    return failed(expected, actual, *nodes, advice=advice)
