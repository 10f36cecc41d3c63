"""new: the command that begins a submission."""

from pathlib import Path
from typing import Annotated

import typer


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or an empty folder.")],
) -> None:
    """Write a starter submission: a small network that keeps every rule, for you to make your own."""
    from harness.assignment.starter import write_starter
    from harness.cli.terminal import say

    for file in write_starter(folder):
        say(f"wrote {file}")
    say(f"Now change {folder / 'model.py'}, and judge it with harness check {folder}")
