"""Findings: what a rule says of a network, and why a submission could not be loaded."""

from collections.abc import Iterable
from typing import Literal

from harness.base.tables import Frozen

Status = Literal["passed", "failed", "not_judged"]
Cause = Literal["student", "resource", "infrastructure", "harness"]
Ending = Literal[
    "ok", "crashed", "killed", "timed_out", "over_memory", "over_output", "bad_output", "harness_error"
]
"""How the process that ran a submission ended; `harness.loader.client` says which is whose fault."""


class Where(Frozen):
    """A place in the submission: layer path, source line, operator. Text to show."""

    layer: str
    source: str = ""
    op: str = ""


class Finding(Frozen):
    """The verdict of one rule on one variant.

    `cause` says whose fault it is when `status` is not_judged, and is None otherwise. `points` is
    None for a rule that was not judged: never a zero.
    """

    rule: str
    asks: str = ""
    """What the rule asks for, in a few words."""
    status: Status
    cause: Cause | None = None
    expected: str
    actual: str
    where: tuple[Where, ...] = ()
    help: str = ""
    points: int | None = None
    max_points: int = 0
    measured: bool = False
    """Whether the rule is about what trainings reach."""
    step: int = 0
    """Place of its advice in the order of steps, from 1; 0 where there is none, or it comes last."""


class Problem(Frozen):
    """The reason that a variant could not be loaded; `traceback` holds the student's own frames."""

    cause: Cause
    message: str
    traceback: str = ""
    ending: Ending = "crashed"


def combined(statuses: Iterable[Status]) -> Status:
    """Combine verdicts: one failure fails, else one not judged leaves it open."""
    seen = set(statuses)
    if "failed" in seen:
        return "failed"
    return "not_judged" if "not_judged" in seen else "passed"
