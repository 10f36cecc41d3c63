"""Join a class list with its submissions: by the platform's numbers, else by names.

What could mean several is named and never guessed. `students` names the students of a delivery.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.base.errors import UsageError
from harness.cohort.platforms.class_list import ClassList, Kind, Person
from harness.cohort.platforms.download_layouts import Laid
from harness.cohort.platforms.names import Identity

_NUMBER = re.compile(r"\d+$")
_HIDDEN = re.compile(r"(anon|user|participant|participante?|teilnehmer\S*)\b.*")
_BY_NUMBER: tuple[tuple[str, tuple[Kind, ...]], ...] = (
    ("participant", ("participant",)),
    ("user", ("id",)),
    ("sid", ("sid", "id", "login")),
    ("login", ("login", "id", "sid", "participant", "email")),
    ("email", ("email",)),
)
"""What a platform says of a submission, and the columns that may say the same."""


Form = Callable[[str], frozenset[str]]
"""Writes a name in all the ways that are the same to it."""


@dataclass(frozen=True)
class Joined:
    """A class list and the students of a store."""

    students: Mapping[int, str]
    """By line of the list: the student, as the store has the name."""
    missing: tuple[Person, ...] = ()
    """Who is in the list and handed in nothing."""
    unknown: tuple[str, ...] = ()
    """Who handed in and is not in the list."""
    unclear: tuple[str, ...] = ()
    """Sentences: who could be several, and who they could be."""


@dataclass(frozen=True)
class Lookup:
    """Finds the people of a class list."""

    listed: ClassList
    is_this_assignment: bool = False
    """Whether Moodle's numbers in the list are those of the submissions: each assignment has its own."""

    @cached_property
    def _by_value(self) -> Mapping[tuple[Kind, str], Sequence[Person]]:
        found: dict[tuple[Kind, str], list[Person]] = {}
        for person in self.listed.people:
            for key in {(kind, value) for kind in person.known for value in _values(person, kind)}:
                found.setdefault(key, []).append(person)
        return found

    @cached_property
    def _by_name(self) -> Mapping[tuple[Form, str], Sequence[Person]]:
        found: dict[tuple[Form, str], list[Person]] = {}
        for person in self.listed.people:
            for key in {(form, name) for form in (_exact, _folded) for name in _names(person, form)}:
                found.setdefault(key, []).append(person)
        return found

    def person(self, student: str, identity: Identity | None) -> Person | None:
        """Find the one person that a student is; None where there is none, or several."""
        people, _ = self.candidates(student, identity)
        return people[0] if len(people) == 1 else None

    def candidates(self, student: str, identity: Identity | None) -> tuple[Sequence[Person], bool]:
        """Return all that a student could be by the strongest evidence, and whether it is a group."""
        identity = identity or Identity(name=student)
        by_number = self.by_number(identity)
        if len(by_number) == 1:
            return by_number, False
        name = identity.name or student
        for form in (_exact, _folded):
            named = {
                person.line: person for way in form(name) for person in self._by_name.get((form, way), ())
            }
            same = [one for _, one in sorted(named.items()) if self._may_be(one, identity, by_number)]
            if same:
                return same, False
        if by_number:
            return by_number, False
        members = [person for person in self.listed.people if name in _groups(person)]
        return members, bool(members)

    def by_number(self, identity: Identity) -> Sequence[Person]:
        """Return those with a number of the platform's or the university's, a login or an address."""
        for said, kinds in _BY_NUMBER:
            value = getattr(identity, said).casefold()
            for kind in kinds if value else ():
                same = self._by_value.get((kind, value), ())
                # A group has a number too, which may be another student's; so may that of one's own list.
                if said == "participant" or (said == "user" and self.listed.platform != "canvas"):
                    same = [person for person in same if _agrees(identity, person)]
                if same:
                    return same
        return ()

    def _may_be(self, person: Person, identity: Identity, by_number: Sequence[Person]) -> bool:
        """Return whether no number speaks against what the names say."""
        if by_number:
            return person in by_number
        own: list[tuple[str, Kind]] = [("sid", "sid")]
        own += [("user", "id")] if self.listed.platform == "canvas" else []
        own += [("participant", "participant")] if self.is_this_assignment else []
        return all(
            not (value := getattr(identity, said).casefold())
            or not (values := _values(person, kind))
            or value in values
            for said, kind in own
        )


def join(listed: ClassList, students: Mapping[str, Identity | None]) -> Joined:
    """Join the students of a store, with what their platform says of them, to the lines of a class list."""
    first = Lookup(listed)
    numbered = (one for one in students.values() if one is not None and one.participant)
    lookup = Lookup(listed, any(len(first.by_number(one)) == 1 for one in numbered))
    found = {student: lookup.candidates(student, identity) for student, identity in students.items()}
    claims: dict[int, list[str]] = {}
    for student, (people, is_group) in found.items():
        for person in people if len(people) == 1 or is_group else ():
            claims.setdefault(person.line, []).append(student)
    lines = {person.line: person for person in listed.people}
    several = [
        (student, people) for student, (people, group) in found.items() if len(people) > 1 and not group
    ]
    unclear = [_several(student, people) for student, people in several]
    unclear += [_claimed(lines[line], by) for line, by in sorted(claims.items()) if len(by) > 1]
    maybe = {person.line for people, _ in found.values() for person in people}
    return Joined(
        {line: by[0] for line, by in claims.items() if len(by) == 1},
        tuple(person for person in listed.people if person.line not in maybe),
        tuple(student for student, (people, _) in found.items() if not people),
        tuple(unclear),
    )


_WITHOUT_NAMES = ("canvas", "classroom50", "nbgrader")
"""Layouts that have no full names: Canvas leaves out spaces and capitals, the others have logins."""


def students(laid: Laid, class_list: ClassList | None, known: Mapping[str, Identity]) -> tuple[str, ...]:
    """Return the student of each submission, each with another name.

    Who is `known` by a number of the platform keeps the name. Two of one name are told apart by numbers.

    Raises:
        UsageError: two of one name, and no number.
    """
    found = [_known(one.identity, known) for one in laid.handed]
    who = [one.identity for one in laid.handed]
    lookup = Lookup(class_list) if class_list is not None and laid.layout in _WITHOUT_NAMES else None
    requested = [name or _name(one, lookup) for name, one in zip(found, who, strict=True)]
    taken = Counter(requested)
    taken.update(name for name, one in known.items() if one.number and name not in found)
    names = [
        name if is_known or taken[name] == 1 else f"{name} {one.number}".strip()
        for is_known, name, one in zip(found, requested, who, strict=True)
    ]
    for name, count in Counter(names).items():
        if count > 1:
            raise UsageError(
                f"{name}: {count} submissions of that name; expected one, or numbers that tell them apart. "
                "Remove one, or write a .csv file of them."
            )
    return tuple(names)


# Private functions


def _values(person: Person, kind: Kind) -> set[str]:
    value = person.of(kind).casefold()
    if kind == "participant" and (number := _NUMBER.search(value)):
        return {number[0]}
    return {value, value.partition("@")[0]} - {""} if kind == "email" else {value} - {""}


def _agrees(identity: Identity, person: Person) -> bool:
    """Return whether the names do not speak against it; hidden ones say nothing."""
    hidden = _HIDDEN.fullmatch(identity.name.casefold())
    if hidden or not identity.name or not (person.of("name") or person.of("family")):
        return True
    return bool(_folded(identity.name) & _names(person, _folded))


def _groups(person: Person) -> set[str]:
    return {part.strip() for part in re.split("[,;]", person.of("group"))} | {person.of("group")} - {""}


def _names(person: Person, form: Callable[[str], frozenset[str]]) -> frozenset[str]:
    """Return every way in which a person's name may be written, and what may stand for it."""
    given, family, email = person.of("given"), person.of("family"), person.of("email")
    ways = [person.name, f"{given} {family}", f"{family} {given}", person.of("login"), person.of("sid")]
    ways += [email, email.partition("@")[0]]
    return frozenset().union(*(form(way) for way in ways if way.strip()))


def _exact(name: str) -> frozenset[str]:
    return _orders(unicodedata.normalize("NFC", name.casefold()))


def _folded(name: str) -> frozenset[str]:
    """Write a name without accents; ä also as ae, as platforms do."""
    name = unicodedata.normalize("NFC", name.casefold())
    spelt = (
        name.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ø", "oe").replace("å", "aa")
    )
    bare = (unicodedata.normalize("NFKD", way) for way in (name, spelt))
    ways = ("".join(c for c in way if not unicodedata.combining(c)) for way in bare)
    return frozenset().union(*map(_orders, ways))


def _orders(name: str) -> frozenset[str]:
    """Return the letters of a name, family name first and last; Canvas leaves out all other characters."""
    family, comma, given = name.partition(",")
    ways: Iterable[str] = (name, given + family) if comma else (name, *_turned(name))
    return frozenset("".join(letter for letter in way if letter.isalnum()) for way in ways) - {""}


def _turned(name: str) -> Iterable[str]:
    words = name.split()
    return (" ".join((*words[at:], *words[:at])) for at in range(1, len(words)))


def _several(student: str, people: Sequence[Person]) -> str:
    lines = ", ".join(f"{person.name} (line {person.line + 1})" for person in people)
    return f"{student} could be {lines}"


def _claimed(person: Person, students: Sequence[str]) -> str:
    return f"{' and '.join(students)} could both be {person.name} (line {person.line + 1})"


def _known(identity: Identity, known: Mapping[str, Identity]) -> str:
    return next((name for name, one in known.items() if one.is_same_as(identity)), "")


def _name(identity: Identity, lookup: Lookup | None) -> str:
    person = lookup.person(identity.name, identity) if lookup else None
    return person.name if person else identity.name
