"""Rosters: who submitted what, and when, by a platform's download, a folder of the like, or a CSV file."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from harness.base.errors import UsageError
from harness.cohort.platforms.class_list import ClassList
from harness.cohort.platforms.delivery import Delivery, open_delivery
from harness.cohort.platforms.download_layouts import EXPECTED, SAID, Handed, Laid, Layout, lay_out, recognise
from harness.cohort.platforms.joining import students
from harness.cohort.platforms.names import Identity, is_name, known_as
from harness.sources.archives import ZIP
from harness.sources.files import on_disk, printable
from harness.sources.repository import is_address, split_commit
from harness.sources.submission import MANIFEST

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
    parts: tuple[tuple[str, str], ...] = ()
    """Where it is not all of `given`: paths in that folder or zip file, and names in the submission."""
    identity: Identity | None = None
    """What the platform says of the student; None where there is none."""


@dataclass(frozen=True)
class Roster:
    """The last submission of every student, by name; what was left out and why, to be told."""

    listed: tuple[Listed, ...]
    notes: tuple[str, ...] = ()


def read_roster(
    path: Path,
    *,
    every: bool = False,
    layout: Layout | None = None,
    task: str | None = None,
    class_list: ClassList | None = None,
    known: Mapping[str, Identity] = MappingProxyType({}),
) -> Roster:
    """Read a folder, or a platform's zip file, of submissions, or a list of them in a CSV file.

    Of several submissions of one student in a list the last alone is taken, unless `every` one is asked for.
    A link is listed like what it is called, and not followed. `layout` None: the one that the names in the
    folder fit. `task` names one of several assignments of nbgrader. Students are called as their platform
    does, or where that has no full names, as the `class_list` does; those that are `known` by their
    platform's number keep their names.

    Raises:
        UsageError: no such folder or file, nothing in it, or mistakes in it: all are named, by line.
    """
    if path.is_file() and path.suffix.lower() == ".csv":
        return _of_list(path, every=every)
    if path.is_dir() or (path.is_file() and path.suffix.lower() == ZIP):
        return _of_delivery(path, layout, task, class_list, known)
    got = f"a {path.suffix or 'nameless'} file" if path.is_file() else "no such file or folder"
    raise UsageError(
        f"{path}: expected a folder of submissions, a platform's .zip file of all, or a .csv file, "
        f"got {got}. Name one."
    )


# Private functions


def _of_delivery(
    path: Path,
    layout: Layout | None,
    task: str | None,
    class_list: ClassList | None,
    known: Mapping[str, Identity],
) -> Roster:
    if (path / MANIFEST).is_file():
        raise _one_submission(path)
    delivery = open_delivery(path, layout)
    if delivery.is_zip and MANIFEST in delivery.contents.top:
        raise _one_submission(path)
    chosen = layout or recognise(delivery.contents)
    users = frozenset(person.of("id") for person in class_list.people) if class_list else frozenset()
    try:
        laid = lay_out(delivery.contents, chosen, task=task, users=users)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    if not laid.handed:
        raise UsageError(
            f"{path}: no submissions; expected {EXPECTED[chosen]}. Name the folder that holds them, or what "
            "laid it out with --layout."
        )
    names = students(laid, class_list, known)
    listed = [_delivered(delivery, one, name) for one, name in zip(laid.handed, names, strict=True)]
    if chosen == "plain":  # nothing is known but a name
        listed = [replace(one, identity=None) for one in listed]
    return Roster(tuple(sorted(listed, key=lambda one: one.student)), tuple(_notes(laid, delivery)))


def _one_submission(path: Path) -> UsageError:
    return UsageError(
        f"{path}: one submission; expected a folder of them, got {MANIFEST} in it. Grade it with "
        "harness grade, or name the folder that holds all."
    )


def _delivered(delivery: Delivery, one: Handed, student: str) -> Listed:
    parts = one.files
    if not parts and delivery.is_zip:
        below = len(one.root) if one.root.endswith("/") else one.root.rfind("/") + 1
        parts = tuple((path, path[below:]) for path in delivery.contents.paths if path.startswith(one.root))
    given = delivery.path if parts else delivery.path / delivery.inside / one.root
    first = one.root.rstrip("/") or one.files[0][0]
    return Listed(
        student,
        str(given),
        printable(first),
        one.submitted_at,
        tuple((delivery.inside + path, name) for path, name in parts),
        one.identity,
    )


def _notes(laid: Laid, delivery: Delivery) -> Iterator[str]:
    yield f"taken for {SAID[laid.layout]}: {len(laid.handed)} submissions (--layout {laid.layout})"
    if delivery.may_be is not None and laid.layout == "plain":
        folder, layout = delivery.may_be
        yield f"{printable(folder)} may be {SAID[layout]} itself: name that folder, or --layout {layout}"
    if laid.taken_off:
        yield f"taken off every name: {laid.taken_off}"
    if shown := ", ".join(printable(name).rstrip("/") for name in laid.left_out):
        yield f"left out, as they are not {EXPECTED[laid.layout]}: {shown}"


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
    """Yield the lines that are not empty, with their numbers, without the heading."""
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
    """Return the later of two submissions of one student.

    Raises:
        ValueError: it is not said which that is.
    """
    if one.submitted_at is None or other.submitted_at is None or one.submitted_at == other.submitted_at:
        raise ValueError(
            f"{one.student} is there twice, also in line {line}; expected an instant of its own for each, to "
            "tell which is the last. Fill in submitted_at."
        )
    return max(one, other, key=lambda listed: listed.submitted_at or datetime.min.replace(tzinfo=UTC))
