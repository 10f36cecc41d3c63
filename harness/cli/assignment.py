"""assignment: the commands for who writes one."""

from collections.abc import Callable
from typing import Any

import typer

from harness.cli import authoring
from harness.cli.commands import add_commands

COMMANDS: tuple[tuple[str, Callable[..., Any], str], ...] = (
    ("new", authoring.new, "harness assignment new my-assignment --dataset mnist"),
    ("check", authoring.check, "harness assignment check my-assignment/my-assignment.toml"),
    ("list", authoring.show_list, "harness assignment list"),
    ("schema", authoring.schema, "harness assignment schema > assignment.schema.json"),
)
"""Name, function, and an example for --help."""

app = typer.Typer(no_args_is_help=True, help="Write an assignment: begin one, try it, see those there are.")


@app.callback()
def assignment() -> None:
    """Write an assignment: begin one, try it, see those there are."""


add_commands(app, COMMANDS)
