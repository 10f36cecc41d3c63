"""cohort: the commands that grade a whole class and show what came of it."""

from collections.abc import Callable
from typing import Any

import typer

COMMANDS: tuple[tuple[str, Callable[..., Any], str], ...] = ()
"""Name, function, and an example for --help."""

app = typer.Typer(no_args_is_help=True, help="Grade a whole class: resumable, by several graders at once.")


@app.callback()
def cohort() -> None:
    """Grade a whole class: resumable, by several graders at once."""


for _name, _command, _example in COMMANDS:
    app.command(_name, epilog=f"Example: [bold]{_example}[/]")(_command)
