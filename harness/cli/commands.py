"""The options that every command has: its example below the help, and --quiet."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.defaults import defaults_file

QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show errors and the verdict, and nothing else on the way.")
]


def add_commands(app: typer.Typer, commands: Iterable[tuple[str, Callable[..., Any], str]]) -> None:
    """Add commands to an application, each given by name, function, and an example for --help."""
    for name, command, example in commands:
        app.command(name, epilog=f"Example: [bold]{example}[/]")(_quietly(command))


@contextmanager
def silence() -> Iterator[None]:
    """Print nothing to standard error but errors and verdicts."""
    from harness.cli.terminal import screen

    before, screen.quiet = screen.quiet, True
    try:
        yield
    finally:
        screen.quiet = before


# Private functions


def _quietly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option --quiet to a command."""
    known = inspect.signature(command, eval_str=True)
    reads_defaults = not known.parameters.keys().isdisjoint(("assignment", "data", "store", "out", "results"))

    @wraps(command)
    def run(*arguments: Any, quiet: bool, **options: Any) -> Any:
        with silence() if quiet else nullcontext():
            if reads_defaults and (file := defaults_file()):
                _name(file)
            return command(*arguments, **options)

    quiet = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=QuietOption)
    run.__signature__ = known.replace(parameters=[*known.parameters.values(), quiet])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, "quiet": QuietOption}
    return run


def _name(file: Path) -> None:
    """Return which file of defaults counts."""
    from harness.cli.terminal import say

    say(f"defaults: {file}")
