"""The table of a class: one line a student, in the form that programs read (CSV, JSON, gradebooks).

What stands for a student is `harness.cohort.final_points`. What is not final is never a number in a
gradebook: it is left out, and not a zero.
"""

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from harness.assignment.points import most, named, stated_by
from harness.assignment.spec import AssignmentSpec
from harness.base.errors import UsageError
from harness.base.tables import content_hash
from harness.cohort.final_points import Standing, standing
from harness.cohort.platforms.attendance import joined_to
from harness.cohort.platforms.class_list import ClassList
from harness.cohort.platforms.gradebook import Filled, Mark, Task, fill
from harness.cohort.platforms.joining import Joined
from harness.cohort.store.models import Row
from harness.record.record import VariantRecord
from harness.report.visible import visible
from harness.report.words import finding_of

Value = str | int | float | None
Column = Callable[[Row], Value]
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class ClassTable:
    """A class under one assignment. `out` is the folder that the table is written to; links start there."""

    rows: tuple[Row, ...]
    assignment: AssignmentSpec
    out: Path
    class_list: ClassList | None = None
    """The platform's list of the class, into which gradebooks are written."""
    column: str | None = None
    """The column of that list to fill; None: the one called like the assignment, or a new one."""

    @cached_property
    def variants(self) -> dict[str, tuple[str, ...]]:
        """Variants that anybody answers, in the assignment's order, and the rules they were judged by."""
        found: dict[str, dict[str, None]] = {name: {} for name in self.assignment.variants}
        for row in self.rows:
            for name, variant in row.record.variants.items() if row.record else ():
                found.setdefault(name, {}).update(dict.fromkeys(f.rule for f in variant.findings))
        return {name: tuple(rules) for name, rules in found.items() if rules}

    @property
    def max_points(self) -> int:
        """The most points of the assignment, whatever was judged."""
        return most(self.assignment)

    @property
    def assignment_name(self) -> str:
        """The assignment's name, and the beginning of its hash."""
        return named(self.assignment)

    @property
    def stated(self) -> tuple[str, ...]:
        """The assignment's statements on what counts, in sentences."""
        return stated_by(self.assignment)

    @cached_property
    def standings(self) -> dict[str, Standing]:
        """The standing of each student."""
        return {row.student: standing(row, self.assignment) for row in self.rows}

    def final_points(self, row: Row) -> int | None:
        """Return the number that goes into a gradebook; None where there is none yet."""
        one = self.standings[row.student]
        return one.points if one.is_final else None

    def left_out(self) -> dict[str, list[str]]:
        """Return who has no number in a gradebook, by the reason."""
        found: dict[str, list[str]] = {}
        for row in self.rows:
            one = self.standings[row.student]
            if not one.is_final and row.state != "missing":
                found.setdefault(one.reason, []).append(row.student)
        return found

    @cached_property
    def joined(self) -> Joined | None:
        """The students joined with the list; None where there is none."""
        return None if self.class_list is None else joined_to(self.class_list, self.rows)

    def scorecard(self, row: Row, name: str = "scorecard.html") -> str:
        """Return the path of a student's scorecard from the table; "" where there is none."""
        path = row.folder / name if row.folder else None
        return os.path.relpath(path, self.out.absolute()) if path and path.is_file() else ""


def seconds(row: Row) -> float | None:
    """Return how many seconds the last grade took that was not judged again from what is stored."""
    given = (entry.seconds for entry in reversed(row.history) if entry.reason != "rejudged")
    return next(given, row.seconds)


def columns(table: ClassTable) -> dict[str, Column]:
    """Return the columns of a student's row, in order: the name, and how to find the value."""

    def of(value: Callable[[Standing], Value]) -> Column:
        return lambda row: value(table.standings[row.student])

    found: dict[str, Column] = {
        "student": lambda row: row.student,
        "source": lambda row: row.source,
        "submitted_at": lambda row: row.submitted_at.isoformat() if row.submitted_at else None,
        "state": lambda row: row.state,
        "verdict": lambda row: row.record.verdict if row.record else None,
        "points": of(lambda one: one.points),
        "points_before_lateness": of(lambda one: one.before),
        "max_points": of(lambda one: one.max_points),
        "open_points": of(lambda one: one.open_points),
        "final": of(lambda one: "yes" if one.is_final else "no"),
        "why": of(lambda one: one.reason or None),
        "lateness": of(lambda one: one.late.reason or None),
        "late_percent": of(lambda one: one.late.percent if one.late.reason else None),
        "extended_until": lambda row: row.until.isoformat() if row.until else None,
        "stage": lambda row: row.stage,
        "platform_id": lambda row: (row.identity.number or None) if row.identity else None,
        "platform_late": lambda row: _yes(row.identity.late if row.identity else None),
        "resubmission": lambda row: row.identity.resubmission if row.identity else None,
        "cause": lambda row: row.cause,
        "problem": lambda row: row.reason or None,
    }
    for name, rules in table.variants.items():
        found |= _of_variant(name, rules)
    return found | {
        "seconds": seconds,
        "graded_at": lambda row: row.graded_at.isoformat() if row.graded_at else None,
        "assignment": lambda _: table.assignment_name,
        "submission_sha256": lambda row: row.submission_sha256 or None,
        "result_sha256": lambda row: row.record.result_sha256 if row.record else None,
        "scorecard": lambda row: table.scorecard(row) or None,
    }


def render_csv(table: ClassTable) -> str:
    """Render the table as CSV: every cell quoted, none a formula."""
    found = columns(table)
    return to_csv(list(found), [[value(row) for value in found.values()] for row in table.rows])


def render_json(table: ClassTable) -> str:
    """Render the table as JSON, text as it is; what a terminal would act on is escaped."""
    found = columns(table)
    data = {
        "schema": "harness/table/1",
        "assignment": table.assignment.id,
        "assignment_sha256": content_hash(table.assignment),
        "rows": [{name: value(row) for name, value in found.items()} for row in table.rows],
    }
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def in_class_list(table: ClassTable) -> Filled | None:
    """Enter final totals in the platform's own list of the class; None where there is none.

    Raises:
        UsageError: the column to fill is not in the list.
    """
    if table.class_list is None or table.joined is None:
        return None
    marks = {
        row.student: Mark(points, feedback(table, row))
        for row in table.rows
        if (points := table.final_points(row)) is not None
    }
    task = Task((table.assignment.title, table.assignment.id), table.max_points)
    return fill(table.class_list, table.joined, marks, task, table.column)


def render_roster(table: ClassTable) -> str:
    """Render final totals in the platform's own list of the class.

    Raises:
        UsageError: there is no list, or the column to fill is not in it.
    """
    filled = in_class_list(table)
    if filled is None:
        raise UsageError(
            "--format roster: no list of the class; expected the platform's CSV file. Name it with --roster."
        )
    return filled.text


def render_canvas(table: ClassTable) -> str:
    """Render final totals for Canvas: Gradebook, Import: in Canvas' own list of the class, if there is one.

    Else a student's name is taken for the SIS login.
    """
    if table.class_list is not None and table.class_list.platform == "canvas":
        return render_roster(table)
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", table.assignment.title]
    lines: list[list[Value]] = [["Points Possible", "", "", "", "", table.max_points]]
    for row in table.rows:
        if (points := table.final_points(row)) is not None:
            # Canvas takes any line with these words in its first cell for the one above.
            name = "" if "Points Possible" in row.student else row.student
            lines.append([name, "", "", row.student, "", points])
    return to_csv(head, lines)


def render_moodle(table: ClassTable) -> str:
    """Render final totals for Moodle: in its own list of the class, if there is one.

    Else for Grades, Import, CSV, where a student's name is taken for the username.
    """
    if table.class_list is not None and table.class_list.platform in ("moodle", "plain"):
        return render_roster(table)
    lines: list[list[Value]] = [
        [row.student, points, feedback(table, row)]
        for row in table.rows
        if (points := table.final_points(row)) is not None
    ]
    return to_csv(["username", table.assignment.title, "feedback"], lines)


def to_csv(head: Sequence[str], lines: Sequence[Sequence[Value]]) -> str:
    """Write CSV by RFC 4180: text is quoted, on one line, and never a formula; numbers stay numbers."""
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerows([_cell(value) for value in line] for line in (head, *lines))
    return file.getvalue()


def feedback(table: ClassTable, row: Row) -> str:
    """Return in one line what was reached and lost, where, what lateness costs, and by which assignment."""
    one = table.standings[row.student]
    variants = row.record.variants.items() if row.record else ()
    lost = [f"{name}: not handed in" for name, variant in variants if variant.is_missing]
    lost += [
        f"{name}: {finding.rule} {finding.points} of {finding.max_points}"
        for name, variant in variants
        for finding in variant.findings
        if finding.status == "failed" and not variant.is_missing
    ]
    holds = "Every rule holds" if row.record and row.record.verdict == "passed" else ""
    said = (one.in_words, "; ".join(lost) or holds, one.reason, one.late.reason, table.assignment_name)
    return " ".join(f"{part}." for part in said if part)


# Private functions


def _of_variant(name: str, rules: Sequence[str]) -> dict[str, Column]:
    def of(value: Callable[[VariantRecord], Value]) -> Column:
        return lambda row: (
            value(row.record.variants[name]) if row.record and name in row.record.variants else None
        )

    def end(which: int) -> Column:
        return of(lambda v: _percent(v.facts.accuracy_interval[which] if v.facts.accuracy_interval else None))

    found = {
        f"{name}.verdict": of(lambda variant: variant.verdict),
        f"{name}.accuracy_percent": of(lambda variant: _percent(variant.facts.accuracy)),
        f"{name}.accuracy_low_percent": end(0),
        f"{name}.accuracy_high_percent": end(1),
        f"{name}.parameters": of(lambda variant: variant.facts.parameters),
        f"{name}.receptive_field_px": of(lambda variant: variant.facts.receptive_field_px),
    }
    for rule in rules:
        found[f"{name}.{rule}"] = of(partial(_status, rule=rule))
        found[f"{name}.{rule}.points"] = of(partial(_points, rule=rule))
    return found


def _yes(value: bool | None) -> str | None:  # noqa: FBT001
    return None if value is None else "yes" if value else "no"


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)


def _status(variant: VariantRecord, rule: str) -> str | None:
    finding = finding_of(variant, rule)
    return finding.status if finding else None


def _points(variant: VariantRecord, rule: str) -> int | None:
    finding = finding_of(variant, rule)
    return finding.points if finding else None


def _cell(value: Value) -> str | int | float:
    """Make a cell harmless in a spreadsheet: what could begin a formula gets an apostrophe in front.

    Source: OWASP, CSV Injection; OWASP ASVS 5.0, requirement 1.2.10.
    """
    if not isinstance(value, str):
        return "" if value is None else value
    risky = value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA)
    text = " ".join(visible(value).split())
    return f"'{text}" if risky or text.startswith(_FORMULA) else text
