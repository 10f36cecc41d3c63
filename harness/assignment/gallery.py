"""The assignments that come with the harness, by id, each with a submission that passes its rules."""

from dataclasses import dataclass
from pathlib import Path

from harness.assignment.points import most
from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.base.errors import UsageError
from harness.base.installation import package_data
from harness.base.tables import meant
from harness.datasets.loading import data_path

FOLDER = DEFAULT_ASSIGNMENT.parent


def shipped() -> dict[str, Path]:
    """Return the file of each assignment that comes with the harness, by id."""
    return {file.stem: file for file in sorted(FOLDER.glob("*.toml"))}


def located(given: str | Path) -> Path:
    """Find an assignment by its file, or by the id of one that comes with the harness.

    Raises:
        UsageError: neither is there.
    """
    path = Path(given)
    if path.is_file() or path.suffix == ".toml":
        return path
    files = shipped()
    if str(given) not in files:
        raise UsageError(
            f"assignment {given}: no such file, and no assignment of this id comes with the harness. "
            f"{meant(str(given), files, 'ids')} Or name a TOML file."
        )
    return files[str(given)]


def reference_of(assignment: Path) -> Path | None:
    """Find the submission that answers an assignment: the folder beside the file that has its name.

    That of the compact CNN has a page of its own, in ``submission/``.
    """
    beside = assignment.with_suffix("")
    if beside.is_dir():
        return beside
    is_shipped = assignment.resolve().parent == FOLDER
    return package_data("submission") if is_shipped else None


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
    specs = map(load_assignment, shipped().values())
    return tuple(
        Listed(one.id, one.title, one.data.dataset, most(one), data_path(one.data) is not None)
        for one in specs
    )
