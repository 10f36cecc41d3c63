"""The identity of a student on the platform that the class was submitted on."""

import json
from dataclasses import asdict, dataclass


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
    """How often the work was replaced."""

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
