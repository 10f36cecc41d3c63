"""watch: the command that shows a class, or a run, in a browser as it is graded."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.base.errors import UsageError
from harness.base.installation import how_to_install
from harness.cli.cohort_store import DEFAULT_STORE, FilesOption
from harness.cli.options import DEFAULT_OUT

if TYPE_CHECKING:
    from harness.watch.page import View


def watch(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="STORE|RESULTS",
            help="A store of harness cohort, or the results folder of harness grade or train.",
            show_default="cohort.db, else results",
        ),
    ] = None,
    files: FilesOption = None,
    names: Annotated[  # noqa: FBT002
        bool, typer.Option("--names", help="Show the students' names on the leaderboard.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
) -> None:
    """Show a class in a browser as it is graded, or one training: a page that only reads, on this machine.

    Ctrl-C ends it. Nothing that is graded notices whether anybody watches.
    """
    from harness.cli.terminal import output, say

    try:
        from harness.watch.server import HOST, listen, serve
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise UsageError(
            f"harness watch: {missing} is not installed; expected Starlette and uvicorn. "
            "Install them: " + how_to_install("starlette", "uvicorn")
        ) from None
    view = _view(what, files, names=names)
    try:
        listening = listen(port)
    except OSError as error:
        raise UsageError(
            f"--port {port}: cannot be listened at on {HOST} ({error.strerror}). Name another, or none."
        ) from None
    with listening:
        serve(view, listening, lambda address: say(f"Watch at {address}", output))


# Private functions


def _view(what: str | None, files: Path | None, *, names: bool) -> "View":
    """Open a store or a results folder, whichever it is."""
    from harness.cohort.store.store import open_for_reading
    from harness.watch.class_view import ClassView
    from harness.watch.run_view import RunView

    if what is None:
        store = os.environ.get("HARNESS_STORE") or DEFAULT_STORE
        out = os.environ.get("HARNESS_RESULTS") or str(DEFAULT_OUT)
        what = store if "://" in store or Path(store).is_file() else out
    if "://" in what or Path(what).is_file():
        return ClassView(open_for_reading(what, files), names=names)
    if not Path(what).is_dir():
        raise UsageError(
            f"{what}: not there; expected a store of harness cohort grade, or a results folder. "
            "Start the grading first, and name what it writes to."
        )
    return RunView(Path(what))
