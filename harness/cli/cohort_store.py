"""The store that a command of a class works on: the options that name it, its assignment, its submissions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.assignment.spec import AssignmentSpec
    from harness.cohort.store.models import Row
    from harness.cohort.store.store import Store


StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="FILE|URL",
        help="SQLite file, or postgresql://user@host/name.",
        envvar="HARNESS_STORE",
    ),
]
FilesOption = Annotated[
    Path | None,
    typer.Option("--files", metavar="DIR", help="Folder of artefacts; beside the SQLite file if not given."),
]
RosterOption = Annotated[
    Path | None,
    typer.Option(
        "--roster", metavar="FILE", help="The platform's CSV list of the class; remembered in the store."
    ),
]
DEFAULT_STORE = "cohort.db"


def assignment_for(given: Path | None, store: str, files: Path | None) -> "AssignmentSpec":
    """Read the assignment that is named, else the one that the store is graded by, else the shipped one.

    Raises:
        UsageError: the store is graded by another one than the one that is named.
    """
    from harness.assignment.spec import load_assignment
    from harness.cli.options import default_assignment
    from harness.cohort.store.current_assignment import require_current
    from harness.cohort.store.repository import current_spec
    from harness.cohort.store.store import opened_store

    spec = None if given is None else load_assignment(given)
    if "://" not in store and not Path(store).is_file():
        return spec or load_assignment(default_assignment())
    with opened_store(store, files) as opened:
        if spec is None:
            return current_spec(opened) or load_assignment(default_assignment())
        require_current(opened, spec, f"--assignment {given} --store {store}")
    return spec


def every_submission(store: "Store") -> "list[Row]":
    """Read every submission under the current assignment; none in a store where nothing was entered."""
    from harness.cohort.store.queries import submissions
    from harness.cohort.store.repository import current_spec

    return [row for some in submissions(store) for row in some] if current_spec(store) else []
