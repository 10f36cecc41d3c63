"""Layouts of course platforms: who submitted what, read from the names in a delivery alone.

A layout is read from the paths in a folder or a zip file; a folder's path ends in "/". What a submission
holds is not looked at here.
"""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal

from harness.base.errors import UsageError
from harness.cohort.platforms.download_facts import clone_prefix, of_metadata, of_scores, of_timestamp
from harness.cohort.platforms.download_names import (
    canvas_name,
    moodle_name,
    original_names,
    own_numbers,
    resubmissions,
    without_instant,
    without_number,
)
from harness.cohort.platforms.names import Identity, known_as
from harness.sources.archives import ARCHIVES, OTHER_ARCHIVES
from harness.sources.files import PROGRAMS, printable

Layout = Literal["moodle", "canvas", "gradescope", "classroom50", "nbgrader", "plain"]
SAID: Mapping[Layout, str] = {
    "moodle": "Moodle's download",
    "canvas": "Canvas' download",
    "gradescope": "Gradescope's export",
    "classroom50": "clones of GitHub Classroom or Classroom 50",
    "nbgrader": "nbgrader's folder",
    "plain": "one entry a student",
}
EXPECTED: Mapping[Layout, str] = {
    "moodle": "NAME_NUMBER_assignsubmission_file_ folders or files",
    "canvas": "files named name_12345_678901_file.zip",
    "gradescope": "folders that submission_metadata.yml names",
    "classroom50": "one cloned repository a student",
    "nbgrader": "folders STUDENT/ASSIGNMENT",
    "plain": "one folder, archive, notebook or .py file a student",
}
METADATA = "submission_metadata.yml"
SCORES = "scores.csv"
_CODE = re.compile("#U([0-9a-fA-F]{4})")
_SUBMITTED = "submitted/"
_TIMESTAMP = "timestamp.txt"
_LONGEST_FIRST = sorted((*ARCHIVES, *PROGRAMS, *OTHER_ARCHIVES), key=len, reverse=True)
"""Suffixes of files that are one student's submission."""
Read = Callable[[str], str]
"""Reads a text file of the delivery by its path; "" where there is none."""


@dataclass(frozen=True)
class Handed:
    """One submission as it lies in a delivery."""

    identity: Identity
    root: str = ""
    """The folder or file that is all of it; "" where `files` are."""
    files: tuple[tuple[str, str], ...] = ()
    """Path in the delivery, and name in the submission."""
    submitted_at: datetime | None = None


@dataclass(frozen=True)
class Laid:
    """All submissions of a delivery under one layout."""

    layout: Layout
    handed: tuple[Handed, ...]
    left_out: tuple[str, ...] = ()
    taken_off: str = ""
    """What all names began or ended with, and no student is called."""


@dataclass(frozen=True)
class Contents:
    """The contents of a delivery: paths from its root, what they are called, how texts in it are read."""

    paths: tuple[str, ...]
    called: str = ""
    """Name of the folder or zip file."""
    read: Read = field(default=lambda _: "")
    links: frozenset[str] = frozenset()
    """Those paths that are links: whoever they are named after should be told."""

    @property
    def top(self) -> tuple[str, ...]:
        """The entries at the top, folders with a "/" behind them."""
        found = dict.fromkeys(path[: path.find("/") + 1] or path for path in self.paths)
        return tuple(found)

    def below(self, folder: str) -> "Contents":
        """Return the contents of a folder, as if it were the whole."""
        paths = tuple(
            path[len(folder) :] for path in self.paths if path.startswith(folder) and path != folder
        )
        return Contents(paths, PurePosixPath(folder).name, lambda path: self.read(folder + path))


def recognise(contents: Contents) -> Layout:
    """Return the platform that has laid out a delivery: the one whose names most of it has, else plain."""
    top = contents.top
    if METADATA in top:
        return "gradescope"
    for layout, is_one in (("moodle", moodle_name), ("canvas", canvas_name)):
        fit = sum(is_one(one.rstrip("/")) is not None for one in top if layout == "moodle" or one[-1] != "/")
        if fit and 2 * fit >= len(top):
            return "moodle" if layout == "moodle" else "canvas"
    folders = [one for one in top if one[-1] == "/"]
    stamped = {path.split("/")[0] for path in contents.paths if path.split("/")[2:] == [_TIMESTAMP]}
    if _SUBMITTED in top or 2 * len(stamped) >= len(top) > 0:
        return "nbgrader"
    is_cloned = [one for one in folders if f"{one}.git/" in contents.paths]
    if clone_prefix(contents.called, folders, surely=2 * len(is_cloned) > len(folders)) is not None:
        return "classroom50"
    return "plain"


def lay_out(
    contents: Contents, layout: Layout, *, task: str | None = None, users: Container[str] = ()
) -> Laid:
    """Read who handed in what.

    `task` names one of several assignments of nbgrader, `users` the numbers of students that Canvas knows.

    Raises:
        UsageError: two submissions of one student, or of several assignments.
    """
    if layout == "nbgrader":
        return _nbgrader(contents, task)
    laid: Mapping[Layout, Callable[[], Laid]] = {
        "moodle": lambda: _moodle(contents.top),
        "canvas": lambda: _canvas(contents.top, users),
        "gradescope": lambda: _gradescope(contents),
        "classroom50": lambda: _clones(contents),
        "plain": lambda: _plain(contents),
    }
    return laid[layout]()


# Private functions


def _moodle(top: Sequence[str]) -> Laid:
    by_kind: dict[tuple[str, str], dict[str, list[str]]] = {}
    left_out = []
    for one in top:
        if (found := moodle_name(_written(one.rstrip("/")))) is None:
            left_out.append(one)
        else:
            by_kind.setdefault((found.name, found.id), {}).setdefault(found.kind, []).append(one)
    handed = []
    for (name, number), kinds in by_kind.items():
        entries = kinds.get("file") or next(iter(kinds.values()))
        identity = Identity(name=name, participant=number)
        folders = [one for one in entries if one[-1] == "/"]
        if len(folders) > 1:
            raise _twice(name, folders)
        if folders:
            handed.append(Handed(identity, folders[0]))
        else:
            names = [moodle_name(_written(one)).file or one for one in entries]  # type: ignore[union-attr]
            handed.append(Handed(identity, files=_paired(entries, original_names(names))))
    return Laid("moodle", tuple(handed), tuple(left_out))


def _canvas(top: Sequence[str], users: Container[str]) -> Laid:
    read = {one: canvas_name(_written(one), users) for one in top if one[-1] != "/"}
    by_student: dict[tuple[str, str], list[str]] = {}
    for one, found in read.items():
        if found is not None:
            by_student.setdefault((found.user or found.name, found.name), []).append(one)
    names = {
        student: [found.file for one in entries if (found := read[one])]
        for student, entries in by_student.items()
    }
    replaced = resubmissions({"\0".join(student): files for student, files in names.items()})
    own = own_numbers(names.values())
    handed = []
    for student, entries in by_student.items():
        first = read[entries[0]]
        assert first is not None
        identity = Identity(
            name=first.name, user=first.user, late=first.late, resubmission=replaced["\0".join(student)]
        )
        handed.append(Handed(identity, files=_paired(entries, original_names(names[student], own))))
    return Laid("canvas", tuple(handed), tuple(one for one in top if read.get(one) is None))


def _gradescope(contents: Contents) -> Laid:
    facts = of_metadata(contents.read(METADATA))
    entries = {one.rstrip("/"): one for one in contents.top if one != METADATA}
    handed, left_out = [], []
    for called, one in entries.items():
        fact = facts.get(called)
        if fact is None or not fact.people:
            left_out.append(one)
            continue
        group = called if len(fact.people) > 1 else ""
        for name, sid, email in fact.people:
            identity = Identity(
                name=known_as(name or email or sid),
                sid=sid,
                email=email,
                group=group,
                resubmission=fact.earlier,
            )
            handed.append(Handed(identity, one, submitted_at=fact.submitted_at))
    return Laid("gradescope", tuple(handed), (*left_out, *sorted(set(facts) - set(entries))))


def _clones(contents: Contents) -> Laid:
    folders = [one for one in contents.top if one[-1] == "/"]
    taken_off = clone_prefix(contents.called, folders, surely=True) or ""
    facts = of_scores(contents.read(SCORES))
    handed = []
    for one in folders:
        called = one.rstrip("/")
        if taken_off.startswith("-"):
            login = called.removesuffix(taken_off)
        else:
            login = called[len(taken_off) :] if called.lower().startswith(taken_off.lower()) else called
        fact = facts.get(login.lower())
        identity = Identity(name=known_as(login), login=login)
        if fact is None:
            handed.append(Handed(identity, one))
        else:
            identity = replace(identity, email=fact.email, late=fact.late, resubmission=fact.earlier)
            handed.append(Handed(identity, one, submitted_at=fact.submitted_at))
    left_out = tuple(one for one in contents.top if one[-1] != "/" and one != SCORES)
    return Laid("classroom50", tuple(handed), left_out, taken_off)


def _nbgrader(contents: Contents, task: str | None) -> Laid:
    if _SUBMITTED in contents.top:
        inner = _nbgrader(contents.below(_SUBMITTED), task)
        return replace(inner, handed=tuple(replace(one, root=_SUBMITTED + one.root) for one in inner.handed))
    tasks: dict[str, list[str]] = {}
    for student, one, *_ in (path.split("/") for path in contents.paths if path.count("/") > 1):
        tasks.setdefault(one, []).append(f"{student}/{one}/")
    if task is None and len(tasks) > 1:
        raise UsageError(
            f"{contents.called}: submissions for {len(tasks)} assignments of nbgrader; expected one, got "
            f"{', '.join(sorted(tasks))}. Name one with --task."
        )
    chosen = next(iter(tasks), "") if task is None else task
    if chosen not in tasks:
        got = ", ".join(sorted(tasks)) or "none"
        raise UsageError(
            f"{contents.called}: expected folders STUDENT/{chosen or 'ASSIGNMENT'}/, got assignments {got}. "
            "Name another layout with --layout, or an assignment that is there with --task."
        )
    handed = tuple(
        Handed(
            Identity(name=known_as(root.split("/")[0]), login=root.split("/")[0]),
            root,
            submitted_at=of_timestamp(contents.read(root + _TIMESTAMP)),
        )
        for root in dict.fromkeys(tasks[chosen])
    )
    return Laid("nbgrader", handed, tuple(one for one in contents.top if one[-1] != "/"))


def _plain(contents: Contents) -> Laid:
    by_student: dict[str, list[str]] = {}
    left_out = []
    for one in contents.top:
        student = _student(one, is_link=one in contents.links)
        if student:
            by_student.setdefault(student, []).append(one)
        else:
            left_out.append(one)
    for student, entries in by_student.items():
        if len(entries) > 1:
            raise _twice(student, entries)
    handed = tuple(Handed(Identity(name=student), entries[0]) for student, entries in by_student.items())
    return Laid("plain", handed, tuple(left_out))


def _student(one: str, *, is_link: bool) -> str:
    """Return the student whose entry it is; "" for what is nobody's submission."""
    if one[-1] == "/":
        return _called(one[:-1])
    suffix = next((end for end in _LONGEST_FIRST if one.lower().endswith(end)), "")
    return _called(one[: len(one) - len(suffix)]) if suffix or is_link else ""


def _called(name: str) -> str:
    return without_instant(without_number(_written(name))) or printable(name)


def _written(name: str) -> str:
    """Read a name, also where unzip has written letters by their codes: ``M#U00fcller``."""
    return known_as(_CODE.sub(lambda code: chr(int(code[1], 16)), name))


def _paired(entries: Sequence[str], names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pair paths with names; a name that was there before is that of the path."""
    first = {name.lower(): number for number, name in reversed(list(enumerate(names)))}
    return tuple(
        (entry, name if first[name.lower()] == number else entry)
        for number, (entry, name) in enumerate(zip(entries, names, strict=True))
    )


def _twice(student: str, entries: Sequence[str]) -> UsageError:
    got = " and ".join(known_as(one) for one in entries)
    return UsageError(
        f"{student} handed in twice; expected one entry a student, got {got}. "
        "Remove one, or say in a .csv file which was when."
    )
