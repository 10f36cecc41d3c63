"""Who handed in what, and when: a folder with one entry a student, or a list in a CSV file."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.cohort.names import is_name, known_as
from harness.errors import UsageError
from harness.intake.repository import is_address, split_commit
from harness.intake.sources import PROGRAMS, on_disk, printable
from harness.intake.submission import MANIFEST
from harness.intake.unpack import ARCHIVES

COLUMNS = ("student", "path-or-git-url[@commit]", "submitted_at")


@dataclass(frozen=True)
class Listed:
    """One submission of a roster; nothing has been looked at yet."""

    student: str
    given: str
    """As on the command line of ``harness check``: a path, or a repository's address."""
    source: str
    """As the roster has it."""
    submitted_at: datetime | None = None


@dataclass(frozen=True)
class Roster:
    """The last submission of every student, by name; what was left out and why, to be told."""

    listed: tuple[Listed, ...]
    notes: tuple[str, ...] = ()


def read_roster(path: Path, *, every: bool = False) -> Roster:
    """Read a folder (every folder, archive, notebook and .py file in it is a student's) or a CSV file.

    Of several submissions of one student the last alone is listed, unless `every` one is asked for. A link is
    listed like what it is called, and not followed.

    Raises:
        UsageError: no such folder or file, nothing in it, or mistakes in it: all are named, by line.
    """
    if path.is_dir():
        return _of_folder(path)
    if path.is_file() and path.suffix.lower() == ".csv":
        return _of_list(path, every=every)
    got = f"a {path.suffix or 'nameless'} file" if path.is_file() else "no such file or folder"
    raise UsageError(f"{path}: expected a folder of submissions or a .csv file, got {got}. Name one.")


# Private functions


def _of_folder(folder: Path) -> Roster:
    if (folder / MANIFEST).is_file():
        raise UsageError(
            f"{folder}: one submission; expected a folder of them, got {MANIFEST} in it. Grade it with "
            "harness grade, or name the folder that holds all."
        )
    listed: dict[str, Listed] = {}
    left_out = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "__MACOSX")):
            continue
        student = _student(entry)
        if student is None:
            left_out.append(printable(entry.name))
        elif (other := listed.get(student)) is not None:
            raise UsageError(
                f"{folder}: {student} handed in twice; expected one entry a student, got {other.source} and "
                f"{printable(entry.name)}. Remove one, or say in a .csv file which was when."
            )
        else:
            listed[student] = Listed(student, str(entry.absolute()), printable(entry.name))
    if not listed:
        raise UsageError(
            f"{folder}: no submissions; expected one folder, archive, notebook or .py file a student. "
            "Name the folder that holds them."
        )
    return Roster(tuple(listed.values()), _left_out(left_out))


def _student(entry: Path) -> str | None:
    """Name the student whose entry it is; None for what is nobody's submission."""
    name, is_link = known_as(entry.name) or printable(entry.name), entry.is_symlink()
    if not is_link and entry.is_dir():
        return name
    suffix = next((s for s in (*ARCHIVES, *PROGRAMS) if name.lower().endswith(s)), "")
    # Whatever a link is called: who is behind it should be told.
    return name[: len(name) - len(suffix)] if is_link or (suffix and entry.is_file()) else None


def _left_out(names: Iterable[str]) -> tuple[str, ...]:
    shown = ", ".join(names)
    return (f"left out, as neither folder, archive, notebook nor .py file: {shown}",) if shown else ()


def _of_list(path: Path, *, every: bool) -> Roster:
    try:
        reader = csv.reader(path.read_text(encoding="utf-8-sig").splitlines(keepends=True), strict=True)
        lines = [(reader.line_num, cells) for cells in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{path}: cannot be read as CSV ({error}); expected the columns {', '.join(COLUMNS)} in UTF-8. "
            "Save it again."
        ) from None
    last: dict[str, Listed] = {}
    lines_of: dict[str, int] = {}
    listed: list[Listed] = []
    mistakes, earlier = [], 0
    for number, cells in _rows(lines):
        try:
            listed.append(one := _listed(cells, path.parent))
            if (before := last.get(one.student)) is not None:
                earlier += 1
                one = _later(before, one, lines_of[one.student])
        except ValueError as error:
            mistakes.append(f"{path}, line {number}: {error}")
            continue
        if one is not last.get(one.student):
            lines_of[one.student] = number
        last[one.student] = one
    if mistakes:
        raise UsageError("\n".join(mistakes))
    if not last:
        raise UsageError(f"{path}: no submissions; expected a line with {', '.join(COLUMNS)} for each.")
    if every:
        first = datetime.min.replace(tzinfo=UTC)
        return Roster(tuple(sorted(listed, key=lambda one: (one.student, one.submitted_at or first))))
    notes = (f"{earlier} earlier submissions are not graded: a student's last one counts",) if earlier else ()
    return Roster(tuple(last[student] for student in sorted(last)), notes)


def _rows(lines: Iterable[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """Give the lines that have something in them, with their numbers, the heading left out."""
    for number, cells in lines:
        stripped = [cell.strip() for cell in cells]
        if any(stripped) and not (number == 1 and stripped[0].lower() == COLUMNS[0]):
            yield number, stripped


def _listed(cells: list[str], beside: Path) -> Listed:
    """Read one line.

    Raises:
        ValueError: it has a mistake.
    """
    if not len(COLUMNS) - 1 <= len(cells) <= len(COLUMNS):
        raise ValueError(f"expected {', '.join(COLUMNS)}, got {len(cells)} columns. Quote what has commas.")
    written, source, instant = (*cells, "")[:3]
    student = known_as(written)
    if not is_name(student):
        raise ValueError(f"student: expected a name, got {written!r}. Fill it in.")
    if not source:
        raise ValueError("path: expected a path or a repository's address, got nothing. Fill it in.")
    return Listed(student, _given(source, beside), source, _instant(instant))


def _given(source: str, beside: Path) -> str:
    where, commit = split_commit(source)
    if where.lower().startswith("file:"):
        raise ValueError(
            f"{source}: an address of this machine, which a student may have written; expected a path, or a "
            "server's address. Write the path of the folder, with @ and the commit behind it if need be."
        )
    if is_address(where):
        return source
    if (path := on_disk(beside, source, known_as)) is not None:
        return str(path.absolute())
    if commit and (folder := on_disk(beside, where, known_as)) is not None and folder.is_dir():
        return f"{folder.absolute()}@{commit}"
    raise ValueError(
        f"{source}: no such file or folder beside the list. Correct the path, or give an address."
    )


def _instant(text: str) -> datetime | None:
    """Read an instant; one without a time zone is in UTC."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"submitted_at: expected an instant such as 2026-05-04T22:15:00+02:00, got {text!r}. Correct it."
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _later(one: Listed, other: Listed, line: int) -> Listed:
    """Give the later of two submissions of one student.

    Raises:
        ValueError: it is not said which that is.
    """
    if one.submitted_at is None or other.submitted_at is None or one.submitted_at == other.submitted_at:
        raise ValueError(
            f"{one.student} is there twice, also in line {line}; expected an instant of its own for each, to "
            "tell which is the last. Fill in submitted_at."
        )
    return max(one, other, key=lambda listed: listed.submitted_at or datetime.min.replace(tzinfo=UTC))
