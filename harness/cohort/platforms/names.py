"""Names and identities of students: one for each, however a list, a platform or a keyboard has written it."""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from harness.base.errors import UsageError
from harness.base.tables import meant
from harness.report.visible import JOINER
from harness.sources.files import printable

MOST_NAMED = 10
"""Students that a message names at most."""
_JOINER = re.compile(f"({JOINER})")
_DIGITS = re.compile("([0-9]{1,18})")
_SPACES = re.compile("[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")


def known_as(written: str) -> str:
    """Return the name under which a student is stored and looked up.

    Letters are composed (NFC), every kind of space is one space, and invisible characters are left out, but
    for those that belong to the spelling.
    """
    parts = _JOINER.split(printable(written))
    parts[::2] = ("".join(c for c in part if unicodedata.category(c) != "Cf") for part in parts[::2])
    return _SPACES.sub(" ", "".join(parts)).strip(" ")


def in_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return the sort key of a name in a list of people: without accents, numbers as numbers.

    A page that is opened puts them in the order of the reader's language.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    parts = [part for part in _DIGITS.split(plain) if part]
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name


def one_of(written: str, names: Sequence[str]) -> str:
    """Find the one name that is written: as it is, in other letters, or its beginning.

    Raises:
        UsageError: there is none, or there are several.
    """
    asked = known_as(written)
    folded = {name: known_as(name).casefold() for name in names}
    for matches in (
        [name for name in names if known_as(name) == asked],
        [name for name in names if folded[name] == asked.casefold()],
        [name for name in names if folded[name].startswith(asked.casefold())],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            some = ", ".join(sorted(matches)[:MOST_NAMED])
            raise UsageError(f"{written}: could be {len(matches)} students ({some}). Write more of the name.")
    raise UsageError(f"{written}: not in this store. {meant(asked, names, 'students')}")


def is_name(text: str) -> bool:
    """Return whether a text may be a student's name: not empty, and no control character in it."""
    return text != "" and _JOINER.sub("", text).isprintable()


@dataclass(frozen=True)
class Identity:
    """A student's identity, and what the platform says of the submission. Empty: it does not say."""

    name: str = ""
    participant: str = ""
    """Moodle's number of the student in the assignment, or of the group."""
    user: str = ""
    """Canvas' number of the student."""
    sid: str = ""
    login: str = ""
    """Name on GitHub, or in nbgrader."""
    email: str = ""
    group: str = ""
    """What the members of a group have in common: the name of it, or of the submission."""
    late: bool | None = None
    resubmission: int | None = None
    """How often the submission was replaced."""

    @property
    def number(self) -> str:
        """The platform's number of the student, "" where it does not say."""
        return self.participant or self.user or self.sid or self.login

    def is_same_as(self, other: "Identity") -> bool:
        """Return whether two are one student: by a number that both have."""
        pairs = (
            (self.participant, other.participant),
            (self.user, other.user),
            (self.sid, other.sid),
            (self.login.lower(), other.login.lower()),
        )
        return any(one == another != "" for one, another in pairs)


def to_text(identity: Identity) -> str:
    """Write an identity as JSON, with what the platform says alone."""
    return json.dumps({name: value for name, value in asdict(identity).items() if value not in ("", None)})


def from_text(text: str) -> Identity:
    """Read an identity that `to_text` has written."""
    return Identity(**json.loads(text))
