"""What there is to choose from: the assignments that come with the harness, in a line each."""

from dataclasses import dataclass

from harness.assignment import AssignmentSpec, load_assignment
from harness.authoring.data import data_path
from harness.gallery import shipped


@dataclass(frozen=True)
class Listed:
    """One assignment in a list of them."""

    id: str
    title: str
    dataset: str
    points: int
    """What its default variant is worth."""
    data_is_here: bool
    """Whether its data is on this machine."""


def listed() -> tuple[Listed, ...]:
    """List the assignments that come with the harness, by id.

    Raises:
        AssignmentError: one of them is not valid.
    """
    return tuple(_listed(load_assignment(file)) for file in shipped().values())


def points_of(spec: AssignmentSpec, variant: str) -> int:
    """Add up what the rules of a variant are worth."""
    return sum(one.settings.points for one in spec.rules_for(variant))


# Private functions


def _listed(spec: AssignmentSpec) -> Listed:
    points = points_of(spec, spec.default_variant)
    return Listed(spec.id, spec.title, spec.data.dataset, points, data_path(spec.data) is not None)
