"""What students are called in a store, however their platform has written them."""

from collections import Counter
from collections.abc import Mapping

from harness.base.errors import UsageError
from harness.cohort.class_list import ClassList
from harness.cohort.identity import Identity
from harness.cohort.joining import Lookup
from harness.cohort.layouts import Laid

_WITHOUT_NAMES = ("canvas", "classroom50", "nbgrader")
"""Layouts that have no full names: Canvas leaves out spaces and capitals, the others have logins."""


def students(laid: Laid, class_list: ClassList | None, known: Mapping[str, Identity]) -> tuple[str, ...]:
    """Name the student of each submission, every one differently.

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


def _known(identity: Identity, known: Mapping[str, Identity]) -> str:
    return next((name for name, one in known.items() if one.is_same_as(identity)), "")


def _name(identity: Identity, lookup: Lookup | None) -> str:
    person = lookup.person(identity.name, identity) if lookup else None
    return person.name if person else identity.name
