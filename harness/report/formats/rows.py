"""The rows of every format made of tests: one per rule and variant, in plain words."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.assignment.points import total_of
from harness.record.findings import Finding, Problem
from harness.record.record import Record
from harness.report.visible import visible
from harness.report.words import VERDICTS

UNTRAINED = ("training", "not trained, so what a training decides was not judged")
UNASKED = ("variants", "other variants are asked for, and were not looked at")
"""Name and reason of what is open and has no finding."""
TO_JUDGE = "Grade the submission in full: harness grade."


@dataclass(frozen=True)
class Row:
    """One rule of one variant; `number` counts the variant and the rule within it."""

    variant: str
    number: str
    finding: Finding
    problem: Problem | None
    counts: bool = True
    """Whether its points are in the total; of several variants one alone may count."""

    @property
    def name(self) -> str:
        """The test's name: variant and rule."""
        return f"{self.variant}: {self.finding.rule}"

    @property
    def is_open(self) -> bool:
        """Whether the rule was not judged: it gives no points, and it is not a zero."""
        return self.finding.points is None

    @property
    def points(self) -> int:
        """Points that it adds to the total."""
        return (self.finding.points or 0) if self.counts else 0

    @property
    def max_points(self) -> int:
        """The most that it could add to the total."""
        return self.finding.max_points if self.counts else 0

    @property
    def verdict(self) -> str:
        """The verdict in one phrase, with the cause where there is none."""
        finding = self.finding
        return VERDICTS[finding.status] + (f" (cause: {finding.cause})" if finding.cause else "")

    @property
    def text(self) -> str:
        """Several lines: the verdict, what was expected and found, where, and what to do."""
        finding = self.finding
        places = ", ".join(f"{w.layer} ({w.source})" if w.source else w.layer for w in finding.where)
        lines = [
            self.verdict,
            f"expected: {finding.expected}",
            f"actual: {finding.actual}",
            f"where: {places}" if places else "",
            finding.help,
            f"worth {finding.max_points} points, neither given nor taken" if self.is_open else "",
            "" if self.counts else "These points are not in the total: another variant counts.",
        ]
        if self.problem is not None:
            lines += [self.problem.message, self.problem.traceback]
        return visible("\n".join(line for line in lines if line.strip()))


def rows(record: Record) -> Iterator[Row]:
    """List every finding of a record, variant by variant, in the record's order.

    What is open without a finding, such as a training that was not asked for, has a row at the end of its
    variant. The most points of all rows together are those of the record.
    """
    counted = total_of(record).counted
    listed = 0
    for i, (name, variant) in enumerate(record.variants.items(), 1):
        counts = name in counted
        left = variant.max_points - sum(finding.max_points for finding in variant.findings)
        findings = [*variant.findings, *([_open(UNTRAINED, left)] if counts and left > 0 else [])]
        for j, finding in enumerate(findings, 1):
            yield Row(name, f"{i}.{j}", finding, variant.problem, counts)
        listed += variant.max_points if counts else 0
    if (left := record.max_points - listed) > 0:
        yield Row("others", f"{len(record.variants) + 1}.1", _open(UNASKED, left), None)


def headline(record: Record) -> str:
    """Return the verdict and the total in one line, and how many points are still open."""
    line = f"{VERDICTS[record.verdict].upper()}, {record.points} of {record.max_points} points"
    if left := open_points(record):
        line += f"; {left} of them open, as not judged: neither given nor taken, so this total is not final"
    return line + "."


def open_points(record: Record) -> int:
    """Count the points of what was not judged."""
    return total_of(record).open_points


# Private functions


def _open(why: tuple[str, str], points: int) -> Finding:
    rule, actual = why
    return Finding(
        rule=rule, status="not_judged", expected="a verdict", actual=actual, help=TO_JUDGE, max_points=points
    )
