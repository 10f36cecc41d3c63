"""Differences between grades: whose has changed, from what to what, and by which rules."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.assignment.spec import AssignmentSpec
from harness.cohort.final_points import counting, standing
from harness.cohort.store.models import Row
from harness.record.record import Record, VariantRecord
from harness.report.words import VERDICTS


@dataclass(frozen=True)
class Difference:
    """One student's grade before and after; None where there was or is none."""

    student: str
    before: str | None
    after: str | None
    rules: tuple[str, ...]
    """What differs, rule by rule, in the submission that counts."""
    was_final: bool = False
    """Whether the grade before was final."""

    @property
    def is_one(self) -> bool:
        """Whether anything differs."""
        return self.before != self.after or bool(self.rules)


def differences(
    before: Sequence[Row], old: AssignmentSpec, after: Sequence[Row], new: AssignmentSpec
) -> tuple[Difference, ...]:
    """Compare a class under one assignment with itself, later or under another; students by name.

    `before` and `after` hold every submission, a student's in the order of time.
    """
    was, now = _counting(before, old), _counting(after, new)
    return tuple(_difference(name, was.get(name), old, now.get(name), new) for name in sorted({**was, **now}))


def may_count(rows: Iterable[Row], spec: AssignmentSpec) -> frozenset[str]:
    """Return the keys of the submissions that count, or may come to: all of them where the best one does."""
    listed = list(rows)
    chosen = listed if spec.policy.counts == "best" else _counting(listed, spec).values()
    return frozenset(row.key for row in chosen)


def rule_changes(old: Record, new: Record) -> Iterator[str]:
    """Yield which verdicts and points of rules differ between two records."""
    for name, variant in new.variants.items():
        if variant.is_missing:
            if name not in old.variants:
                yield f"{name}: not asked → not handed in, failed 0 of {variant.max_points}"
            continue
        before, after = _verdicts(old.variants.get(name)), _verdicts(new.variants[name])
        for rule in {**before, **after}:
            was, now = before.get(rule, "not asked"), after.get(rule, "not asked")
            if was != now:
                yield f"{name}: {rule} {was} → {now}"


# Private functions


def _counting(rows: Iterable[Row], spec: AssignmentSpec) -> dict[str, Row]:
    handed_in: dict[str, list[Row]] = {}
    for row in rows:
        handed_in.setdefault(row.student, []).append(row)
    return {student: counting(some, spec) for student, some in handed_in.items()}


def _difference(
    student: str, was: Row | None, old: AssignmentSpec, now: Row | None, new: AssignmentSpec
) -> Difference:
    rules: tuple[str, ...] = ()
    if was and now and was.record and now.record:
        rules = tuple(rule_changes(was.record, now.record))
    was_final = was is not None and standing(was, old).is_final
    return Difference(student, _grade(was, old), _grade(now, new), rules, was_final)


def _grade(row: Row | None, spec: AssignmentSpec) -> str | None:
    """Return a grade as a phrase: verdict, points, what lateness has taken off; None before there is one."""
    if row is None or row.record is None:
        return None
    stands = standing(row, spec)
    late = f": {stands.late.reason}" if stands.late.is_late else ""
    return f"{VERDICTS[row.record.verdict]}, {stands.in_words}{late}"


def _verdicts(variant: VariantRecord | None) -> Mapping[str, str]:
    """Return the verdict of every rule, with its points, by the rule's name."""
    return {
        finding.rule: f"{finding.status} {finding.points or 0} of {finding.max_points}"
        for finding in (variant.findings if variant else ())
    }
