"""assignment new, check, list, schema: what they do."""

from pathlib import Path
from typing import Annotated

import typer

from harness.errors import UsageError


def show_list() -> None:
    """List the assignments that come with the harness, and whether their data is on this machine."""
    from harness.authoring.listing import listed
    from harness.commands.authoring_display import show_listed

    show_listed(listed())


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or an empty folder.")],
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="cifar10, mnist, ...: what everybody has.")
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
    from harness.screen import say

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
        written = write_for(folder, dataset or "cifar10")
    for file in written.files:
        say(f"wrote {file}")
    say("Now see whether it is what you mean, and grade the submission beside it:")
    say(f"  harness assignment check {written.assignment}{data}")
    say(f"  harness grade {written.reference} --assignment {written.assignment}{data}")
