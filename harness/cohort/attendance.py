"""Rows of those who are in the list of the class and have handed in nothing."""

from collections import Counter
from collections.abc import Sequence

from harness.cohort.classlist import ClassList, Person
from harness.cohort.joining import Joined, join
from harness.cohort.rows import Row


def joined_to(listed: ClassList, rows: Sequence[Row]) -> Joined:
    """Join the rows of a class to its list."""
    return join(listed, {row.student: row.identity for row in rows if row.state != "missing"})


def with_missing(listed: ClassList | None, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Add a row for everyone in the list who has handed in nothing, all in the order of their names."""
    if listed is None:
        return tuple(rows)
    there = [row for row in rows if row.state != "missing"]
    taken = Counter(row.student for row in there)
    people = joined_to(listed, there).missing
    taken.update(person.name for person in people)
    missing = [Row(_called(person, taken), "", None, "missing") for person in people]
    return tuple(sorted((*there, *missing), key=lambda row: row.student))


def told(joined: Joined) -> tuple[str, ...]:
    """Say who could not be joined, and who has handed in nothing."""
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
    """Tell two of one name apart by what else the list says of them."""
    if taken[person.name] == 1:
        return person.name
    numbers = (person.of(kind) for kind in ("participant", "id", "sid", "login", "email"))
    return f"{person.name} {next(filter(None, numbers), f'in line {person.line + 1}')}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)
