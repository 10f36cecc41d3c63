"""The list of assignments that come with the harness, in a line each, and whether their data is here."""

from dataclasses import dataclass
from pathlib import Path

from harness.assignment.gallery import shipped
from harness.assignment.points import most
from harness.assignment.spec import AssignmentSpec, load_assignment
from harness.datasets.dataset import Public
from harness.datasets.places import local_folder, places
from harness.datasets.spec import DataSpec


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


def data_path(spec: DataSpec, folder: str | None = None) -> Path | None:
    """Find an assignment's data, looking in `folder` first; None where it is not here. Nothing is read."""
    if isinstance(spec.of, Public):
        return local_folder(spec.of, folder)
    path = spec.path or ""
    searched = [*(place / path for place in places(spec.of, folder)), Path(path)]
    return next((found for found in searched if found.exists()), None)


# Private functions


def _listed(spec: AssignmentSpec) -> Listed:
    return Listed(spec.id, spec.title, spec.data.dataset, most(spec), data_path(spec.data) is not None)
