"""Extended deadlines: a list of students and instants, stored beside the assignment's own."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from harness.base.errors import UsageError
from harness.cohort.platforms.names import is_name, known_as
from harness.cohort.store.schema import ExtensionTable
from harness.cohort.store.store import Store
from harness.settings.policy_and_deadlines import instant

HEADING = "student"
EXPECTED = "the columns student and until"
COLUMNS = 2


@dataclass(frozen=True)
class Extension:
    """Until when one student may hand in; None: as everyone else."""

    student: str
    until: datetime | None


def read_extensions(path: Path) -> tuple[Extension, ...]:
    """Read a CSV file with the columns `student` and `until`; an empty instant takes an extension back.

    Raises:
        UsageError: there is no such file, or mistakes in it: all are named, by line.
    """
    found: dict[str, Extension] = {}
    mistakes = []
    for number, cells in _lines(path):
        try:
            one = _extension(cells, found)
            found[one.student] = one
        except ValueError as error:
            mistakes.append(f"{path}, line {number}: {error}")
    if mistakes:
        raise UsageError("\n".join(mistakes))
    if not found:
        raise UsageError(f"{path}: nobody in it; expected {EXPECTED} of each.")
    return tuple(found.values())


def enter_extensions(store: Store, extensions: tuple[Extension, ...], by: str) -> None:
    """Store until when students may submit; earlier entries are not changed."""
    now = datetime.now(UTC)

    def enter(session: Session) -> None:
        before = extensions_in(session)
        session.add_all(
            ExtensionTable(student=one.student, until=one.until, since=now, by=by)
            for one in extensions
            if before.get(one.student) != one.until
        )

    store.write(enter)


def extensions_in(session: Session) -> Mapping[str, datetime]:
    """Return until when students may submit, by name; those without an extension are left out."""
    entered = session.scalars(select(ExtensionTable).order_by(ExtensionTable.id))
    last = {one.student: one.until for one in entered}
    return {student: until for student, until in last.items() if until is not None}


# Private functions


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not empty, with their numbers, without the heading."""
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; expected a .csv file with {EXPECTED}. Name one.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{path}: cannot be read as CSV ({error}); expected {EXPECTED} in UTF-8. Save it again."
        ) from None
    for number, cells in enumerate(lines, start=1):
        stripped = [cell.strip() for cell in cells]
        if any(stripped) and not (number == 1 and stripped[0].lower() == HEADING):
            yield number, stripped


def _extension(cells: list[str], before: Mapping[str, Extension]) -> Extension:
    """Read one line; `before` has those of the lines before it.

    Raises:
        ValueError: it has a mistake.
    """
    if len(cells) != COLUMNS:
        raise ValueError(f"expected {EXPECTED}, got {len(cells)} columns. Quote what has commas.")
    student = known_as(cells[0])
    if not is_name(student):
        raise ValueError(f"student: expected a name, got {cells[0]!r}. Fill it in.")
    if student in before:
        raise ValueError(f"{student} is there twice; expected one line a student. Remove one.")
    try:
        return Extension(student, instant(cells[1]).astimezone(UTC) if cells[1] else None)
    except ValueError as error:
        raise ValueError(f"until: {error}. Correct it.") from None
