"""The list of assignments that come with the harness, in a line each."""

from dataclasses import dataclass

from harness.assignment.gallery import shipped
from harness.assignment.points import most
from harness.assignment.spec import AssignmentSpec, load_assignment
from harness.authoring.data import data_path


@dataclass(frozen=True)
class Listed:
    """One assignment in a list of them."""

    id: str
    title: str
    dataset: str
    points: int
    """The most there are."""
    data_is_here: bool
    """Whether its data is on this machine."""


def listed() -> tuple[Listed, ...]:
    """List the assignments that come with the harness, by id.

    Raises:
        AssignmentError: one of them is not valid.
    """
    return tuple(_listed(load_assignment(file)) for file in shipped().values())


# Private functions


def _listed(spec: AssignmentSpec) -> Listed:
    return Listed(spec.id, spec.title, spec.data.dataset, most(spec), data_path(spec.data) is not None)
