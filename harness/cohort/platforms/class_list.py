"""The class as its platform lists it: a CSV file with a line for each student, whose every cell is kept.

It is read as spreadsheets and platforms of several languages write it, and written back as it was.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from harness.base.errors import UsageError
from harness.cohort.platforms.names import known_as

Kind = Literal[
    "name", "given", "family", "email", "login", "sid", "id", "participant", "group", "role",
    "grade", "maximum", "changeable", "feedback",
]  # fmt: skip
"""What a column holds. `id` is a number of the platform or of whoever wrote the list; `sid` one of the
university; `participant` Moodle's number in an assignment."""

_WRITTEN: dict[Kind, str] = {
    "name": "name, student, full name, fullname, student name, display name, participant name, user, "
    "teilnehmer, teilnehmerin, teilnehmer/in, studierende, studierender, student/in, vollständiger name, "
    "voller name, anzeigename, vor- und nachname, nachname vorname, nom complet, nombre completo, "
    "nome completo, naam, volledige naam, etudiant, estudiante, alumno, studente, roster name, sortable name",
    "given": "first name, firstname, given name, forename, first, vorname, vornamen, rufname, prénom, "
    "nombre, nome, voornaam, student first",
    "family": "last name, lastname, surname, family name, last, nachname, familienname, zuname, nom, "
    "nom de famille, apellido, apellidos, apellido(s), cognome, achternaam, student last",
    "email": "email, e-mail, mail, email address, e-mail address, emailaddress, mail address, "
    "e-mail-adresse, mailadresse, adresse de courriel, courriel, dirección de correo, correo electrónico, "
    "correo, indirizzo email, e-mailadres, student email, school email",
    "login": "login, username, user name, login id, sis login id, user id, userid, account, anmeldename, "
    "benutzername, benutzerkennung, kennung, nutzername, loginname, github username, github, github login, "
    "nom d'utilisateur, nombre de usuario, gebruikersnaam, unix login, netid, uni-id, uid",
    "sid": "sid, sis user id, sis id, student id, id number, idnumber, student number, "
    "matriculation number, matriculation no, matrikelnummer, matrikelnr, matrikel, matr.nr., matnr, "
    "immatrikulationsnummer, registration number, id-nummer, numéro d'identification, número de id, "
    "university id, perm, perm #, integration id, lms_user_id, external id",
    "id": "id, canvas id, canvas user id, moodle id, kennnummer, nummer, number, no, nr",
    "participant": "identifier, participant id, participant, teilnehmernummer",
    "group": "group, groups, gruppe, gruppen, team, submission group, group name, gruppenname, groupe, grupo",
    "role": "role, rolle, roles, rollen",
    "grade": "grade, bewertung, note, calificación",
    "maximum": "maximum grade, bestwertung, max grade, höchste bewertung",
    "changeable": "grade can be changed, bewertung kann geändert werden",
    "feedback": "feedback comments, feedback als kommentar, feedback, comment, comments, kommentar",
}


def plainly(heading: str) -> str:
    """Write a heading in small letters without accents, spaces and signs."""
    letters = unicodedata.normalize("NFKD", heading.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


def kind_of(heading: str) -> Kind | None:
    """Return the kind of a column, by its heading; None for any other."""
    return _KINDS.get(plainly(heading))


Platform = Literal["canvas", "moodle", "gradescope", "plain"]
MAX_BYTES = 16 * 2**20
DELIMITERS = (",", ";", "\t", "|")
_HEADING_WITHIN = 10
"""Lines within which the heading is looked for."""
_TOTALS = "Points Possible"
_TEST_STUDENT = (("Student, Test",), ("Student", "Test"))
_STAFF = frozenset({"instructor", "ta", "teacher", "reader", "observer", "tutor", "dozent", "lehrer"})
_MOODLE_ONLY = frozenset(
    {"groups", "gruppen", "lastaccess", "letzterzugriff", "lastdownloadedfromthiscourse"}
)
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """One student of the list. Empty: the list does not say."""

    line: int
    """Which of the list's lines, counted from 0."""
    name: str
    """Given name first."""
    known: Mapping[Kind, str]
    """What the list says, by the kind of its columns."""

    def of(self, kind: Kind) -> str:
        """Return what the list says, "" where it does not."""
        return self.known.get(kind, "")


@dataclass(frozen=True)
class ClassList:
    """All lines of the list, the heading among them."""

    lines: tuple[tuple[str, ...], ...]
    head_at: int
    """Which line is the heading; before it stands what is no list."""

    @property
    def head(self) -> tuple[str, ...]:
        """The heading."""
        return self.lines[self.head_at]

    @cached_property
    def kinds(self) -> Mapping[Kind, int]:
        """The column of each kind: the first one."""
        found: dict[Kind, int] = {}
        for column, heading in enumerate(self.head):
            kind = kind_of(heading)
            if kind is not None:
                found.setdefault(kind, column)
        return found

    @cached_property
    def platform(self) -> Platform:
        """The platform that the list comes from."""
        words = {plainly(heading) for heading in self.head}
        if {"id", "section"} <= words and words & {"student", "lastname"}:
            return "canvas"
        is_worksheet = self.kinds.keys() >= {"grade", "changeable"}
        is_report = any(heading.endswith(("(Real)", "(Punkte)")) for heading in self.head)
        has_people = self.kinds.keys() >= {"given", "family", "email"}
        if is_worksheet or is_report or (has_people and words & _MOODLE_ONLY):
            return "moodle"
        return "gradescope" if words & {"sid", "role"} and "email" in self.kinds else "plain"

    @cached_property
    def people(self) -> tuple[Person, ...]:
        """The students, without what else the platform writes: totals, test students, staff."""
        found = (self._person(line) for line in range(self.head_at + 1, len(self.lines)))
        return tuple(person for person in found if person is not None)

    def _person(self, line: int) -> Person | None:
        cells = self.lines[line]
        known = {kind: known_as(cells[at]) for kind, at in self.kinds.items() if at < len(cells)}
        if self.platform == "canvas" and _is_no_person(cells):
            return None
        if known.get("role", "").lower() in _STAFF:
            return None
        if self.platform == "moodle" and "participant" not in known and "id" in known:
            known["participant"] = known["id"]
        name = known.get("name") or f"{known.get('given', '')} {known.get('family', '')}".strip()
        name = name or next((known[kind] for kind in ("email", "login", "sid", "id") if known.get(kind)), "")
        family, comma, given = name.partition(", ")  # as Canvas sorts
        return Person(line, f"{given} {family}" if comma else name, known) if name else None


def read_class_list(path: Path) -> ClassList:
    """Read the list of a class.

    Raises:
        UsageError: no such file, it is no CSV file, or nothing in it names students.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as error:
        raise UsageError(
            f"--roster {path}: cannot be read ({error.strerror}). Name the platform's CSV file."
        ) from None
    if data is None:
        raise UsageError(
            f"--roster {path}: too large; expected at most {MAX_BYTES // 2**20} MiB. "
            "Name the platform's CSV file."
        )
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise UsageError(
            f"--roster {path}: a spreadsheet; expected a CSV file. Save it as CSV, or export it as that."
        )
    return parse_class_list(decoded(data), f"--roster {path}")


def parse_class_list(text: str, where: str = "--roster") -> ClassList:
    """Read the list of a class from its text; `where` is for messages.

    Raises:
        UsageError: nothing in it names students.
    """
    text = text.lstrip("\ufeff")
    if (said := re.match(r"sep=(.)\r?\n", text)) is not None:  # Excel's own line
        text = text[said.end() :]
    found = [_parsed(text, delimiter) for delimiter in DELIMITERS]
    lines = max(found, key=lambda lines: (_heading(lines)[1], max(map(len, lines), default=0)))
    at, recognised = _heading(lines)
    names = {kind_of(heading) for heading in lines[at]} if recognised else set()
    if not names & {"name", "given", "family", "email", "login", "sid", "id", "participant"}:
        got = ", ".join(lines[at][:8]) if lines else "nothing"
        raise UsageError(
            f"{where}: no column names students; expected a heading such as name, first name, last name, "
            f"email, id or username, got {got}. Export it from the platform again, or write one."
        )
    return ClassList(tuple(map(tuple, lines)), at)


def decoded(data: bytes) -> str:
    """Decode a text that a spreadsheet or platform has written: UTF-8, UTF-16, or else the one of Windows."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if b"\0" in data[:4096]:  # UTF-16 without its mark: every other byte of Latin text is zero
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be", errors="replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


# Private functions


_KINDS: Mapping[str, Kind] = {
    plainly(way): kind
    for kind, headings in _WRITTEN.items()
    for heading in headings.split(", ")
    for way in (heading, heading.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue"))
}


def _is_no_person(cells: Sequence[str]) -> bool:
    """Return whether a line of Canvas' is that of the points, or of the test student."""
    return _TOTALS in "".join(cells[:1]) or any(tuple(cells[: len(name)]) == name for name in _TEST_STUDENT)


def _parsed(text: str, delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:
        return []


def _heading(lines: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Find the line with the most headings that are known, and how many these are."""
    counts = [
        (sum(kind_of(heading) is not None for heading in line), -at)
        for at, line in enumerate(lines[:_HEADING_WITHIN])
    ]
    most, at = max(counts, default=(0, 0))
    return -at, most
