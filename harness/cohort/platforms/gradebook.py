"""Grades written into the platform's own list of the class: its columns and lines, in its order, to import.

One column is filled, and Moodle's feedback beside it; every other cell stays as the platform wrote it. Who
has no final total keeps what stands there: an empty cell would take a grade away.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.base.errors import UsageError
from harness.cohort.platforms.class_list import ClassList, kind_of, plainly
from harness.cohort.platforms.joining import Joined

NOTHING = "Nothing was handed in."
_NOT_ASKED = frozenset({"ex", "n/a"})
"""What Canvas writes for students who are excused from a task, or do not have it."""
_CANVAS_TOTAL = re.compile(r"\b(Current|Final|Override) (Score|Points|Grade|Status)\b")
_NUMBERED = re.compile(r"\(\d+\)\s*$")
"""How Canvas ends the heading of a task."""
_POINTS = frozenset({"points", "punkte", "score", "total score", "totalscore", "ergebnis", "gesamtpunkte"})
_NO = frozenset({"no", "nein", "non", "nee"})


@dataclass(frozen=True)
class Mark:
    """The value to enter for one student."""

    points: float
    feedback: str


@dataclass(frozen=True)
class Task:
    """The task of a column, as the assignment calls it."""

    names: tuple[str, ...]
    """The first is the one of a new column; any of them is that of one that is there."""
    max_points: float


@dataclass(frozen=True)
class Filled:
    """A file to import, and what has to be told of it."""

    text: str
    notes: tuple[str, ...] = ()


@dataclass
class _Sheet:
    lines: list[list[str]]
    column: int
    notes: list[str] = field(default_factory=list)


def fill(
    listed: ClassList, joined: Joined, marks: Mapping[str, Mark], task: Task, column: str | None = None
) -> Filled:
    """Enter the marks of students, by their names in the store.

    `column` names the column to fill; None: the one that is called like the task, or a new one.

    Raises:
        UsageError: there is no such column.
    """
    sheet = _sheet(listed, task, column)
    kept: list[str] = []
    for person in listed.people:
        mark = marks.get(joined.students.get(person.line, ""))
        line = _filled_up(sheet.lines[person.line], sheet.column)
        if mark is None:
            continue
        if line[sheet.column].strip().lower() in _NOT_ASKED or person.of("changeable").lower() in _NO:
            kept.append(person.name)
        else:
            line[sheet.column] = f"{mark.points:.10g}"
            _comment(listed, line, mark.feedback)
    for person in joined.missing:
        if not (person.of("grade") or person.of("feedback")):  # else somebody has graded by hand
            _comment(listed, sheet.lines[person.line], NOTHING)
    if kept:
        sheet.notes.append(f"left as the platform has them, excused or locked: {', '.join(kept)}")
    return Filled(_written(sheet.lines), tuple(sheet.notes))


# Private functions


def _sheet(listed: ClassList, task: Task, column: str | None) -> _Sheet:
    lines = [list(line) for line in listed.lines]
    at = _column(listed, task.names if column is None else (column,), is_asked=column is not None)
    if at is not None:
        return _Sheet(lines, at, _other_maximum(listed, at, task))
    if column is not None:
        raise UsageError(
            f"--column {column}: not in the class list; expected one of {', '.join(listed.head)}. "
            "Name one, or none to add one."
        )
    at = _place(listed)
    for number, line in enumerate(lines):
        if number >= listed.head_at and any(line):
            _filled_up(line, at - 1).insert(at, _beside(listed, number, task))
    said = f"no column of the class list is called {task.names[0]}: one was added. --column names another"
    others = [heading for heading in listed.head if _NUMBERED.search(heading)]
    return _Sheet(lines, at, [f"{said}: {', '.join(others)}" if others else said])


def _column(listed: ClassList, names: Sequence[str], *, is_asked: bool) -> int | None:
    """Find the column that is called so, without Canvas' number and Moodle's words around it."""
    wanted = {plainly(name) for name in names}
    exact = [at for at, heading in enumerate(listed.head) if is_asked and heading in names]
    called = exact or [at for at, heading in enumerate(listed.head) if wanted & _titles(heading)]
    if called or is_asked:
        return called[0] if called else None
    if listed.platform == "moodle" and "changeable" in listed.kinds:
        return listed.kinds["grade"]
    if listed.platform == "plain":
        for at, heading in enumerate(listed.head):
            if kind_of(heading) == "grade" or heading.strip().lower() in _POINTS:
                return at
    return None


def _titles(heading: str) -> set[str]:
    bare = heading.strip()
    if bare.endswith(")"):
        bare = bare[: bare.rfind("(")]
    return {plainly(heading), plainly(bare), plainly(bare.partition(":")[2])} - {""}


def _place(listed: ClassList) -> int:
    """Return where a new column goes: last, in Canvas before its own totals."""
    own = (
        at
        for at, heading in enumerate(listed.head)
        if listed.platform == "canvas" and _CANVAS_TOTAL.search(heading) and not _NUMBERED.search(heading)
    )
    return next(own, len(listed.head))


def _beside(listed: ClassList, number: int, task: Task) -> str:
    if number == listed.head_at:
        return task.names[0]
    is_maximum = listed.platform == "canvas" and "Points Possible" in listed.lines[number][0]
    return f"{task.max_points:.10g}" if is_maximum else ""


def _other_maximum(listed: ClassList, at: int, task: Task) -> list[str]:
    """Return the note that the platform counts to another number of points, if it does."""
    found = set()
    for line in listed.lines[listed.head_at + 1 :]:
        if listed.platform == "canvas" and line and "Points Possible" in line[0] and at < len(line):
            found.add(line[at])
        elif "maximum" in listed.kinds and listed.kinds["maximum"] < len(line):
            found.add(line[listed.kinds["maximum"]])
    numbers = {number for maximum in found if (number := _number(maximum)) is not None}
    return [
        f"the platform counts to {number:.10g}, the assignment to {task.max_points:.10g}: set the platform's "
        "maximum to that before the import"
        for number in sorted(numbers - {task.max_points})
    ]


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def _comment(listed: ClassList, line: list[str], text: str) -> None:
    if listed.platform == "moodle" and "feedback" in listed.kinds:
        at = listed.kinds["feedback"]
        _filled_up(line, at)[at] = text


def _filled_up(line: list[str], column: int) -> list[str]:
    line.extend("" for _ in range(column + 1 - len(line)))
    return line


def _written(lines: Sequence[Sequence[str]]) -> str:
    """Write CSV as every platform reads it: commas, UTF-8, and quotes where they are needed."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows(lines)
    return file.getvalue()
