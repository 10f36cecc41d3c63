"""Facts that course platforms write into files beside the submissions, and into the names of clones."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from harness.base.errors import UsageError

_CLONED = (
    re.compile(r"(?P<slug>.+)-submissions", re.IGNORECASE),  # GitHub Classroom
    re.compile(r"(?P<slug>.+)_submissions_\d{4}_\d\d_\d\d_T_\d\d_\d\d_\d\d"),  # Classroom 50
)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Fact:
    """A platform's statement on one submission."""

    people: tuple[tuple[str, str, str], ...] = ()
    """Of each member: name, student number, address."""
    submitted_at: datetime | None = None
    earlier: int | None = None
    """How many submissions came before."""
    late: bool | None = None
    email: str = ""


def of_metadata(text: str) -> Mapping[str, Fact]:
    """Read Gradescope's ``submission_metadata.yml``, by the name of each submission's folder.

    Raises:
        UsageError: it is not that.
    """
    try:
        found = yaml.load(text, Loader=_LOADER)  # noqa: S506 - safe loaders both
    except yaml.YAMLError as error:
        raise _no_metadata(str(error).partition("\n")[0]) from None
    if not isinstance(found, dict):
        raise _no_metadata("not a list of submissions")
    return {str(name): _of_one(one) for name, one in found.items() if isinstance(one, dict)}


def of_scores(text: str) -> Mapping[str, Fact]:
    """Read the ``scores.csv`` of Classroom 50, by user name in small letters: each one's last submission."""
    found: dict[str, list[dict[str, str]]] = {}
    for line in csv.DictReader(io.StringIO(text)):
        cells = {str(key).lower(): value for key, value in line.items() if isinstance(value, str)}
        if (login := cells.get("username", "").lower()) and cells.get("datetime"):
            found.setdefault(login, []).append(cells)
    return {login: _of_pushes(lines) for login, lines in found.items()}


def of_timestamp(text: str) -> datetime | None:
    """Read nbgrader's ``timestamp.txt``: an instant and the name of its time zone; None where it is none."""
    day, _, zone = text.strip().rpartition(" ")
    try:
        instant = datetime.fromisoformat(day if day else zone)
    except ValueError:
        return _instant(text.strip())
    return instant if instant.tzinfo else instant.replace(tzinfo=_zone(zone))


def clone_prefix(called: str, folders: Sequence[str], *, surely: bool) -> str | None:
    """Find what the names of cloned repositories have in common besides the student's: ``hw1-``, or ``-hw1``.

    The folder that they were cloned into says it; else, where they `surely` are clones, it is what they all
    begin or end with, up to a hyphen. None where they have nothing in common.
    """
    names = [one.rstrip("/").lower() for one in folders]
    for form in _CLONED:
        if (found := form.fullmatch(called)) and names:
            prefix = f"{found['slug'].lower()}-"
            if 2 * sum(name.startswith(prefix) for name in names) > len(names):
                return prefix
    if not surely or len(names) < 2:
        return None
    begin = _common(names)
    end = _common([name[::-1] for name in names])[::-1]
    return max(begin, end, key=len) or None


# Private functions


def _common(names: Sequence[str]) -> str:
    """Return what all names begin with, up to a hyphen."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    begin = "".join(letters[0] for letters in alike)
    return begin[: begin.rfind("-") + 1]


def _of_one(one: Mapping[Any, Any]) -> Fact:
    people = one.get(":submitters") or ()
    history = one.get(":history")
    return Fact(
        people=tuple(
            (_text(person, ":name"), _text(person, ":sid"), _text(person, ":email"))
            for person in people
            if isinstance(person, dict)
        ),
        submitted_at=_instant(one.get(":created_at")),
        earlier=len(history) if isinstance(history, list) else None,
    )


def _text(person: Mapping[Any, Any], key: str) -> str:
    value = person.get(key)
    return "" if value is None else str(value).strip()


def _instant(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _of_pushes(lines: Sequence[Mapping[str, str]]) -> Fact:
    instants = [instant for line in lines if (instant := _instant(line["datetime"]))]
    last = max(lines, key=lambda line: line["datetime"])
    late = {"true": True, "false": False}.get(last.get("late", "").lower())
    return Fact((), max(instants, default=None), len(lines) - 1, late, last.get("email", ""))


def _no_metadata(reason: str) -> UsageError:
    return UsageError(
        f"submission_metadata.yml: cannot be read ({reason}); expected the one of Gradescope's export. "
        "Export the submissions again."
    )
