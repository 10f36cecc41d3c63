"""Names that course platforms give to the files that they hand out."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

_MOODLE = re.compile(
    r"(?P<name>.*?)(?:_(?P<id>\d+))?_assignsubmission_(?P<kind>[a-z0-9]+)(?:_(?P<file>.*))?", re.DOTALL
)
_AGAIN = re.compile(r"(?P<name>.*\S) ?\((?P<number>\d{1,3})\)", re.DOTALL)
_ANONYMOUS = re.compile(r"(?:(?P<late>LATE)_)?anon_(?P<id>[A-Za-z0-9]+)_(?P<rest>.+)", re.DOTALL)
_ENTERED = ("text.html", "link.html")
_NUMBERED = re.compile(
    r"(?P<stem>.*[^-])-(?P<number>[1-9]\d?)(?P<suffix>\.tar\.gz|\.[A-Za-z0-9]+)", re.DOTALL
)
_EXPORTED = re.compile(r"(?P<name>.+)_\d{4}_\d\d_\d\dT\d\d_\d\d_\d\d_\d{6}", re.DOTALL)


@dataclass(frozen=True)
class MoodleName:
    """``NAME_ID_assignsubmission_KIND_`` of a folder, or with the file's name behind it.

    Source: Moodle, mod/assign/classes/downloader.php. `id` is "" for Moodle's group of those in no group.
    """

    name: str
    id: str
    kind: str
    """``file``, ``onlinetext``, or the plug-in that took it in."""
    file: str


@dataclass(frozen=True)
class CanvasName:
    """``NAME[_LATE]_USER_ATTACHMENT_FILE``, or with ``text.html`` or ``link.html`` for what was typed in.

    Source: Canvas LMS, lib/content_zipper.rb.
    """

    name: str
    user: str
    """Canvas' number of the student; "" where students are hidden."""
    file: str
    late: bool
    attachment: str = ""
    """Canvas' number of the file; "" for what was typed in."""


def moodle_name(written: str) -> MoodleName | None:
    """Read the name of a folder or file of Moodle's download; None where it is none."""
    found = _MOODLE.fullmatch(without_number(written) if "_assignsubmission_" in written else written)
    if found is None:
        return None
    return MoodleName(found["name"].strip(), found["id"] or "", found["kind"], found["file"] or "")


def canvas_name(written: str, users: Container[str] = ()) -> CanvasName | None:
    """Read the name of a file of Canvas' download; None where it is none.

    A name may itself hold numbers: then the first that can be a student's number is taken for it, as Canvas
    does when such files come back, but one of `users` or one behind LATE before others.
    """
    if anonymous := _ANONYMOUS.fullmatch(written):
        attachment, _, file = anonymous["rest"].partition("_")
        if not (_is_number(attachment) and file):
            attachment, file = "", anonymous["rest"]
        return CanvasName(f"anon {anonymous['id']}", "", file, anonymous["late"] is not None, attachment)
    parts = written.split("_")
    places = [place for place in range(1, len(parts) - 1) if _is_user(parts, place)]
    if not places:
        return None
    place = min(places, key=lambda at: (parts[at] not in users, parts[at - 1] != "LATE", at))
    late = place > 1 and parts[place - 1] == "LATE"
    name, rest = "_".join(parts[: place - late]), parts[place + 1 :]
    attachment, file = ("", rest[0]) if len(rest) == 1 else (rest[0], "_".join(rest[1:]))
    return CanvasName(name or f"user {parts[place]}", parts[place], file, late, attachment)


def without_number(written: str) -> str:
    """Remove the number that a browser or system adds to a name that is there already: ``x (1)``."""
    found = _AGAIN.fullmatch(written)
    return found["name"] if found else written


def without_instant(written: str) -> str:
    """Remove the instant that Otter adds to the name of an exported notebook."""
    found = _EXPORTED.fullmatch(written)
    return found["name"] if found else written


def resubmissions(handed: Mapping[str, Sequence[str]]) -> dict[str, int | None]:
    """Return how often each student's files, as Canvas names them, were replaced.

    Canvas writes ``model-1.py`` for the second ``model.py`` of a student. Where most of a class has one name
    with one number, the number is the file's own.
    """
    own = own_numbers(handed.values())
    found: dict[str, int | None] = {}
    for student, files in handed.items():
        numbers = {number for file in files if file not in own and (number := _number(file)) is not None}
        found[student] = max(numbers, default=None)
    return found


def own_numbers(handed: Iterable[Sequence[str]]) -> frozenset[str]:
    """Find the names whose number most of a class has in common."""
    files = [set(some) for some in handed]
    counts = Counter(file for some in files for file in some if _number(file) is not None)
    return frozenset(file for file, count in counts.items() if count > 1 and 2 * count > len(files))


def original_names(files: Sequence[str], own: Container[str] = ()) -> tuple[str, ...]:
    """Return the names that files had for their author: without numbers of replaced or doubled ones.

    A name that another file of the submission has already is left as it is.
    """
    wanted = [file if file in own else _original(file) for file in files]
    counts = Counter(name.lower() for name in wanted)
    return tuple(
        name if counts[name.lower()] == 1 else file for name, file in zip(wanted, files, strict=True)
    )


# Private functions


def _is_user(parts: Sequence[str], place: int) -> bool:
    """Return whether a part can be a student's number: an attachment's, or typed text, is behind it."""
    if not _is_number(parts[place]):
        return False
    if place == len(parts) - 2:
        return parts[place + 1] in _ENTERED
    return _is_number(parts[place + 1])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _number(file: str) -> int | None:
    found = _NUMBERED.fullmatch(file)
    return int(found["number"]) if found else None


def _original(file: str) -> str:
    stem, dot, suffix = file.rpartition(".")
    file = f"{without_number(stem)}{dot}{suffix}" if dot else without_number(file)
    found = _NUMBERED.fullmatch(file)
    return found["stem"] + found["suffix"] if found else file
