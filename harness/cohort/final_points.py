"""The number that stands for a student: the points after lateness, whether they are final, and why.

A pure function of the assignment, a student's submissions and the instant until which that student may hand
them in. The record has no clock: what it says are the points before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.assignment.points import Total, in_words, most, total
from harness.assignment.spec import AssignmentSpec
from harness.cohort.store.models import Row
from harness.settings.policy_and_deadlines import Lateness, lateness


@dataclass(frozen=True)
class Standing:
    """The points of a submission in the class. None where nothing was judged, which is never a zero."""

    points: int | None
    """After lateness."""
    before: int | None
    max_points: int
    open_points: int
    late: Lateness
    is_final: bool
    """Whether the points can be exported: nothing that is still to be judged can change them."""
    reason: str
    """Why they are final although something was not judged, or why they are not; "" where all was."""

    @property
    def in_words(self) -> str:
        """The points in a phrase, those before lateness too where that has taken any off."""
        if self.points is None:
            return f"all {self.max_points} points open"
        said = in_words(self.points, self.max_points, 0 if self.is_final else self.open_points)
        return said if self.points == self.before else f"{said} ({self.before} before lateness)"

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return in sentences what becomes of the points in the class; for a card."""
        late = self.late.reason
        said = [f"In the class: {self.in_words}."] if late or self.reason else []
        said += [f"{late[:1].upper()}{late[1:]}."] if late else []
        said += [f"{'Final' if self.is_final else 'Not final'}: {self.reason}."] if self.reason else []
        return tuple(said)


def standing(row: Row, spec: AssignmentSpec) -> Standing:
    """Return what a submission is worth in the class."""
    marked = row.identity is not None and bool(row.identity.late)
    late = lateness(spec.policy, row.submitted_at, row.until, marked_late=marked)
    if row.state == "missing":
        reason = "handed in nothing"
        return Standing(None, None, most(spec), most(spec), Lateness(), is_final=False, reason=reason)
    if row.record is None:
        reason = row.problem or ("not graded yet" if row.state in ("waiting", "running") else "not graded")
        return Standing(None, None, most(spec), most(spec), late, is_final=False, reason=reason)
    scored = total(spec, row.record.variants)
    is_final, reason = _finality(row, spec, scored, late)
    nothing_judged = scored.open_points == scored.max_points > 0 and not is_final
    return Standing(
        points=None if nothing_judged else late.left_of(scored.points),
        before=None if nothing_judged else scored.points,
        max_points=scored.max_points,
        open_points=scored.open_points,
        late=late,
        is_final=is_final and not row.waits_for,
        reason=row.waits_for or reason,
    )


def counting(handed_in: Sequence[Row], spec: AssignmentSpec) -> Row:
    """Choose which of a student's submissions counts; one at least, in the order of time."""
    if len(handed_in) == 1 or spec.policy.counts == "last":
        return handed_in[-1]
    standings = [standing(row, spec) for row in handed_in]
    if spec.policy.counts == "last before due":
        in_time = [row for row, one in zip(handed_in, standings, strict=True) if not one.late.is_late]
        return (in_time or handed_in)[-1]
    pairs = list(zip(handed_in, standings, strict=True))
    best, found = max(pairs, key=lambda pair: (_points(pair[1]), pair[1].is_final))
    rivals = [row for row, one in pairs if row is not best and _may_reach(row, one) > _points(found)]
    if not rivals:
        return best
    return replace(best, waits_for=f"{len(rivals)} other submissions are not judged yet, and may be better")


# Private functions


def _finality(row: Row, spec: AssignmentSpec, scored: Total, late: Lateness) -> tuple[bool, str]:
    """Return whether a total can be exported, and why, where something was not judged."""
    policy, still = spec.policy, f"{scored.open_points} points are open"
    if late.is_late and policy.counts == "last before due" and policy.late is None:
        return False, "handed in after it was due, which does not count"
    if row.state in ("waiting", "running"):
        return False, f"{still}: it is still to be graded"
    if row.state == "failed" or row.cause not in (None, "student"):
        return False, f"{still}: not judged, cause: {row.cause}"
    if scored.verdict == "not_judged":
        reason = "it could not be judged because of the submission itself"
        if policy.unreadable == "zero":
            return True, f"{reason}, and what was not judged counts as zero"
        return False, f"{reason}, and such work is left out"
    if scored.verdict == "failed" and scored.open_points:
        return True, f"{still} and not given: a rule has failed"
    return not scored.open_points, f"{still}: not trained" if scored.open_points else ""


def _points(one: Standing) -> int:
    return -1 if one.points is None else one.points


def _may_reach(row: Row, one: Standing) -> int:
    """Return the points that a submission may come to have after lateness."""
    is_over = one.is_final or (row.state == "graded" and row.cause == "student")
    if is_over:
        return _points(one)
    return one.late.left_of((one.before or 0) + one.open_points)
