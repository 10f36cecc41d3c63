"""assignment new, check, list, schema: the commands for who writes one."""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from harness.base.errors import UsageError
from harness.cli.options import AssignmentArgument, DataOption, SandboxOption, add_commands


def check(
    assignment: AssignmentArgument,
    submission: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="One that should pass; the folder beside the file if not given."),
    ] = None,
    data: DataOption = None,
    sandbox: SandboxOption = "auto",
) -> None:
    """Check an assignment for everything that is wrong, and try it: its reference, wrong networks, an epoch.

    Exits with 0 if it can be graded by, 1 if its reference does not pass, 2 if it is not valid, 3 if it could
    not be tried.
    """
    from harness.assignment.gallery import reference_of
    from harness.assignment.spec import load_assignment
    from harness.authoring.trial import outcome, try_out
    from harness.cli.result_tables import show_trial
    from harness.cli.terminal import Display
    from harness.pipeline.task import Settings

    spec, reference = load_assignment(assignment), submission or reference_of(assignment)
    with TemporaryDirectory(prefix="harness-") as out, Display() as display:
        settings = Settings(
            out=Path(out), data=data, sandbox=sandbox, stats_cache=Path(out) / spec.data.stats_file
        )
        checks = tuple(try_out(spec, reference, settings, display.show))
    show_trial(spec.title, checks)
    if code := outcome(checks):
        raise typer.Exit(code)


def show_list() -> None:
    """List the assignments that come with the harness, and whether their data is on this machine."""
    from harness.assignment.gallery import listed
    from harness.cli.result_tables import show_listed

    show_listed(listed())


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or an empty folder.")],
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="A data set that everybody has; see docs/data.md.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="ID", help="Begin with one of harness assignment list.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--folder", metavar="IMAGES", help="Your own images, a folder for each class."),
    ] = None,
) -> None:
    """Write an assignment that works, with comments, and a submission that keeps its rules."""
    from harness.authoring.images import look_through
    from harness.authoring.writing import copy_from, write_for, write_for_images
    from harness.cli.terminal import say

    if sum(one is not None for one in (dataset, source, images)) > 1:
        raise UsageError("--dataset, --from, --folder: expected one of them, got more. Leave the others out.")
    data = ""
    if images is not None:
        say(f"reading {images} …")
        found = look_through(images)
        written, data = write_for_images(folder, found), f" --data {found.place}"
    elif source is not None:
        written = copy_from(folder, source)
    else:
        written = write_for(folder, dataset)
    for file in written.files:
        say(f"wrote {file}")
    say("Now see whether it is what you mean, and grade the submission beside it:")
    say(f"  harness assignment check {written.assignment}{data}")
    say(f"  harness grade {written.reference} --assignment {written.assignment}{data}")


def schema() -> None:
    """Print the JSON Schema of an assignment file, with the settings of every rule, for editors."""
    from harness.authoring.schema import as_text

    sys.stdout.write(as_text())


COMMANDS: tuple[tuple[str, Callable[..., Any], str], ...] = (
    ("new", new, "harness assignment new my-assignment --dataset mnist"),
    ("check", check, "harness assignment check my-assignment/my-assignment.toml"),
    ("list", show_list, "harness assignment list"),
    ("schema", schema, "harness assignment schema > assignment.schema.json"),
)
"""Name, function, and an example for --help."""

app = typer.Typer(no_args_is_help=True, help="Write an assignment: begin one, try it, see those there are.")


@app.callback()
def assignment() -> None:
    """Write an assignment: begin one, try it, see those there are."""


add_commands(app, COMMANDS)
