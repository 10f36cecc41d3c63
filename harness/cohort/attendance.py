"""Rows of those who are in the list of the class and have handed in nothing."""

from collections.abc import Sequence

from harness.cohort.classlist import ClassList
from harness.cohort.joining import Joined, join
from harness.cohort.rows import Row


def joined_to(listed: ClassList, rows: Sequence[Row]) -> Joined:
    """Join the rows of a class to its list."""
    return join(listed, {row.student: row.identity for row in rows if row.state != "missing"})


def with_missing(listed: ClassList | None, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Add a row for everyone in the list who has handed in nothing, all in the order of their names."""
    if listed is None:
        return tuple(rows)
    taken = {row.student for row in rows}
    missing = [
        Row(person.name, "", None, "missing")
        for person in joined_to(listed, rows).missing
        if person.name not in taken
    ]
    return tuple(sorted((*rows, *missing), key=lambda row: row.student))


def told(joined: Joined) -> tuple[str, ...]:
    """Say who could not be joined, and who has handed in nothing."""
    said = []
    if joined.missing:
        said.append(f"handed in nothing: {_names([person.name for person in joined.missing])}")
    if joined.unknown:
        said.append(f"not in the list of the class: {_names(joined.unknown)}")
    said += [f"not joined to the list of the class, {sentence}" for sentence in joined.unclear]
    return tuple(said)


# Private functions


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)
