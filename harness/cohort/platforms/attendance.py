"""Rows of those who are in the list of the class and have handed in nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.cohort.platforms.class_list import ClassList, Person
from harness.cohort.platforms.joining import Joined, join
from harness.cohort.platforms.names import Identity, in_order
from harness.cohort.store.models import Row


def joined_to(listed: ClassList, rows: Sequence[Row]) -> Joined:
    """Join the rows of a class to its list."""
    return join(listed, {row.student: row.identity for row in rows if row.state != "missing"})


def absent(listed: ClassList | None, students: Mapping[str, Identity | None]) -> tuple[Row, ...]:
    """Make a row for everyone in the list who is none of the students."""
    people = () if listed is None else join(listed, students).missing
    taken = Counter((*students, *(person.name for person in people)))
    return tuple(Row(_called(person, taken), "", None, "missing") for person in people)


def with_missing(listed: ClassList | None, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Add a row for everyone in the list who has handed in nothing, all in the order of their names."""
    there = [row for row in rows if row.state != "missing"]
    missing = absent(listed, {row.student: row.identity for row in there})
    return (
        tuple(sorted((*there, *missing), key=lambda row: in_order(row.student))) if missing else tuple(there)
    )


def once_a_group(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Make one row of those who have submitted together, as the platform says."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        group = row.identity.group if row.identity else ""
        key = (group, row.submission_sha256) if group else (row.student, "")
        groups.setdefault(key, []).append(row)
    return tuple(
        replace(members[0], student=" and ".join(row.student for row in members))
        for members in groups.values()
    )


def notes_on(joined: Joined) -> tuple[str, ...]:
    """Return notes on who could not be joined, and who has submitted nothing."""
    said = []
    if joined.missing:
        taken = Counter((*joined.students.values(), *(person.name for person in joined.missing)))
        said.append(f"handed in nothing: {_names([_called(one, taken) for one in joined.missing])}")
    if joined.unknown:
        said.append(f"not in the list of the class: {_names(joined.unknown)}")
    said += [f"not joined to the list of the class, {sentence}" for sentence in joined.unclear]
    return tuple(said)


# Private functions


def _called(person: Person, taken: Counter[str]) -> str:
    """Return a person's name, with what else the list says where two have the same."""
    if taken[person.name] == 1:
        return person.name
    numbers = (person.of(kind) for kind in ("participant", "id", "sid", "login", "email"))
    return f"{person.name} {next(filter(None, numbers), f'in line {person.line + 1}')}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)
