"""The policy: the ``[policy]`` table of an assignment, and what lateness costs by it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from harness.base.tables import Table

Variants = Literal["any", "all", "best"]
Counts = Literal["last", "best", "last before due"]
Percent = Annotated[float, Field(ge=0, le=100)]
DAY = timedelta(days=1)
EXAMPLE = "2026-12-01T23:59:00+01:00"


def instant(value: Any) -> datetime:
    """Read an instant with its time zone.

    Raises:
        ValueError: it is none.
    """
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(f"expected an instant with its time zone, such as {EXAMPLE}, got {str(value)!r}")
    return found


def _in_seconds(value: datetime) -> datetime:
    return value.replace(microsecond=0)


Instant = Annotated[datetime, BeforeValidator(instant), AfterValidator(_in_seconds)]


class Late(Table):
    """The cost of lateness: a share of the points that were reached, for every day that has begun."""

    per_day_percent: Annotated[float, Field(gt=0, le=100)]
    """Taken off for each day that has begun since it was due."""
    at_most_percent: Annotated[float, Field(gt=0, le=100)] = 100.0
    """However late it is."""


class Policy(Table):
    """The policy: what counts as a student's grade."""

    variants: Variants = "any"
    """Which variants are asked for: any one of them, all of them, or the best one of those handed in."""
    rules_only: bool = False
    """Whether the rules alone are the grade: nothing is trained, and rules about trainings do not count."""
    unreadable: Literal["zero", "leave out"] = "leave out"
    """What a gradebook gets for what cannot be judged because of the submission itself."""
    counts: Counts = "last"
    """Which of a student's submissions is the grade."""
    due: Instant | None = None
    """When it is due: date, time and time zone."""
    grace_minutes: Annotated[int, Field(ge=0)] = 0
    """Minutes after `due` that are not late."""
    late: Late | None = None
    """What is taken off; without it, late is said and costs nothing."""

    @model_validator(mode="after")
    def _has_what_it_counts_from(self) -> "Policy":
        if self.due is None:
            needing = {"grace_minutes": self.grace_minutes, "late": self.late}
            named = [name for name, value in needing.items() if value]
            named += ['counts = "last before due"'] if self.counts == "last before due" else []
            if named:
                raise ValueError(f"{', '.join(named)}: needs an instant to count from; add due = {EXAMPLE}")
        return self

    @property
    def in_words(self) -> tuple[str, ...]:
        """Return what counts, a sentence for each thing that is not as usual; the variants are left out."""
        said = []
        if self.rules_only:
            said.append("The rules alone are the grade; nothing is trained.")
        if self.due is not None:
            grace = f", with {self.grace_minutes} minutes of grace" if self.grace_minutes else ""
            said.append(f"Due {at(self.due)}{grace}.")
        if self.late is not None:
            said.append(
                f"Late: {self.late.per_day_percent:g} % of the points off for each day that has begun, "
                f"{self.late.at_most_percent:g} % at most."
            )
        return tuple(said)


@dataclass(frozen=True)
class Lateness:
    """The lateness of a submission, and the share of its points, in percent, that this costs."""

    days: int = 0
    percent: float = 0.0
    reason: str = ""
    """In words; "" where nothing is due."""

    @property
    def is_late(self) -> bool:
        """Whether it came after it was due, grace included."""
        return self.days > 0

    def left_of(self, points: int) -> int:
        """Return what is left of points, in whole points; half a point is rounded up."""
        return math.floor(Fraction(points) * (100 - Fraction(str(self.percent))) / 100 + Fraction(1, 2))


def lateness(
    policy: Policy,
    submitted_at: datetime | None,
    until: datetime | None = None,
    *,
    marked_late: bool = False,
) -> Lateness:
    """Return how late a submission is; `until` is the student's own instant, if it is later than `due`.

    A day counts once it has begun, and days count from the instant itself: grace only forgives. A submission
    without an instant is taken as in time, unless its platform has `marked_late` what nobody has extended:
    then one day counts.
    """
    if policy.due is None:
        return Lateness()
    due = policy.due if until is None else max(policy.due, until)
    said = f"due {at(due)}{' (extended)' if due > policy.due else ''}"
    if submitted_at is None and marked_late and until is None:
        return _late(
            policy, 1, f"{said}; late by the mark of its platform, which does not say when: 1 day counted"
        )
    if submitted_at is None:
        return Lateness(reason=f"{said}; when it was handed in is not known: taken as in time")
    late_by = submitted_at - due
    if late_by <= timedelta(minutes=policy.grace_minutes):
        return Lateness(reason=f"{said}; in time" + (", within the grace" if late_by > timedelta() else ""))
    days = math.ceil(late_by / DAY)
    return _late(policy, days, f"{said}; {days} day{'s' if days > 1 else ''} late, begun ones counted")


def _late(policy: Policy, days: int, said: str) -> Lateness:
    if policy.late is None:
        return Lateness(days, 0.0, said)
    percent = min(days * policy.late.per_day_percent, policy.late.at_most_percent)
    return Lateness(days, percent, f"{said}: {percent:g} % off")


def policy_in(assignment: Any) -> Mapping[str, Any]:
    """Return the ``[policy]`` of an assignment that is plain data; nothing where it has none."""
    found = assignment.get("policy") if isinstance(assignment, dict) else None
    return found if isinstance(found, dict) else {}


def at(moment: datetime) -> str:
    """Write an instant for people, with its time zone."""
    return f"{moment:%Y-%m-%d %H:%M} {moment:%Z}"
