"""What every format made of tests shows of a record: one row per rule and variant, in plain words."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.record import Finding, Problem, Record
from harness.reporting.visible import visible
from harness.reporting.words import VERDICTS


@dataclass(frozen=True)
class Row:
    """One rule of one variant; `number` counts the variant and the rule within it."""

    variant: str
    number: str
    finding: Finding
    problem: Problem | None

    @property
    def name(self) -> str:
        """Name of the test: variant and rule."""
        return f"{self.variant}: {self.finding.rule}"

    @property
    def is_open(self) -> bool:
        """Whether the rule was not judged: it gives no points, and it is not a zero."""
        return self.finding.points is None

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
        ]
        if self.problem is not None:
            lines += [self.problem.message, self.problem.traceback]
        return visible("\n".join(line for line in lines if line.strip()))


def rows(record: Record) -> Iterator[Row]:
    """List every finding of a record, variant by variant, in the record's order."""
    for i, (name, variant) in enumerate(record.variants.items(), 1):
        for j, finding in enumerate(variant.findings, 1):
            yield Row(name, f"{i}.{j}", finding, variant.problem)


def headline(record: Record) -> str:
    """Say the verdict and the total in one line, and how many points are still open."""
    line = f"{VERDICTS[record.verdict].upper()}, {record.points} of {record.max_points} points"
    if left := open_points(record):
        line += f"; {left} of them not judged: neither given nor taken, so this total is not final"
    return line + "."


def open_points(record: Record) -> int:
    """Count the points of the rules that were not judged."""
    return sum(row.finding.max_points for row in rows(record) if row.is_open)
