"""The assignments that come with the harness, by id, each with a submission that passes its rules."""

from pathlib import Path

from harness.assignment.spec import DEFAULT_ASSIGNMENT
from harness.base.errors import UsageError
from harness.base.installation import package_data
from harness.base.tables import meant

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
