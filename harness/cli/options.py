"""The options that commands share, how every command is given --quiet and an example, and the task opened."""

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from harness.base.errors import UsageError
from harness.cli.defaults import defaults_file
from harness.cli.outputs import check_writable

# What only a command needs is imported when it runs, so that --help answers at once.
if TYPE_CHECKING:
    from harness.cli.terminal import Display
    from harness.pipeline.task import Settings, Source, Task
    from harness.settings.recipe import Scalar

EXIT = {"passed": 0, "failed": 1, "not_judged": 3}
"""Exit codes of the three verdicts."""

PathArgument = Annotated[
    str,
    typer.Argument(
        help="A model file or notebook; a folder or an archive, with or without submission.toml; a "
        "repository: ADDRESS or FOLDER, @COMMIT.",
    ),
]

QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show errors and the verdict, and nothing else on the way.")
]


def assignment_file(given: str) -> Path:
    """Find the assignment that an option names.

    Raises:
        UsageError: there is none.
    """
    from harness.assignment.gallery import located

    return located(given)


def default_assignment() -> Path:
    """Return the assignment that counts where none is named: that of the variable, or the shipped one.

    Raises:
        UsageError: the variable names none.
    """
    from harness.assignment.spec import DEFAULT_ASSIGNMENT

    named = os.environ.get("HARNESS_ASSIGNMENT")
    return assignment_file(named) if named else DEFAULT_ASSIGNMENT


AssignmentOption = Annotated[
    Path | None,
    typer.Option(
        help="The assignment: its TOML file, or the id of one of harness assignment list.",
        metavar="FILE|ID",
        parser=assignment_file,
        show_default="cifar10-compact-cnn",
    ),
]
AssignmentArgument = Annotated[
    Path,
    typer.Argument(
        help="The assignment: its TOML file, or the id of one of harness assignment list.",
        metavar="FILE|ID",
        parser=assignment_file,
    ),
]
VariantOption = Annotated[list[str], typer.Option("--variant", help="Rule set to judge by; repeatable.")]
ClassOption = Annotated[str | None, typer.Option("--class", metavar="[FILE:]NAME", help="The model's class.")]
CtorOption = Annotated[
    list[str], typer.Option("--ctor", metavar="NAME=VALUE", help="A constructor argument; repeatable.")
]
RecordArgument = Annotated[
    Path, typer.Argument(metavar="RECORD", help="A record, such as results/scorecard.json.")
]
JsonOption = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE|-", help="Write the record as JSON; - is standard output."),
]
SandboxOption = Annotated[
    Literal["auto", "bwrap", "lock"],
    typer.Option(help="What holds the submission's code; auto takes the strongest that works."),
]
OutOption = Annotated[
    Path, typer.Option(help="Folder for the results.", metavar="DIR", envvar="HARNESS_RESULTS")
]
SeedOption = Annotated[int | None, typer.Option(help="Base seed; the assignment's if not given.")]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")]
WorkersOption = Annotated[int, typer.Option(min=0, help="Data-loading processes; the result is the same.")]
DataOption = Annotated[
    str | None,
    typer.Option(metavar="DIR|mini", help="Folder with the data; mini is an embedded preview set."),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Cache of the training split's mean and std.",
        show_default="results/DATASET_stats.json",
    ),
]
RecomputeOption = Annotated[bool, typer.Option("--recompute-stats", help="Compute mean and std again.")]
ResumeOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Continue from a last.pth.")]
SaveEveryOption = Annotated[int, typer.Option(min=0, help="Keep a snapshot every N epochs; 0 keeps none.")]

DEFAULT_OUT = Path("results")


def opened(
    path: str | Path,
    assignment: Path | None,
    variants: Sequence[str],
    class_name: str | None,
    ctor: Sequence[str],
    settings: "Settings",
    display: "Display",
    source: "Source | None" = None,
) -> "Task":
    """Open a submission and an assignment as the options say; nothing is run yet.

    `source` says where the variants are loaded from: the sandbox, if not given.

    Raises:
        UsageError, AssignmentError: one of the options does not make sense.
    """
    from harness.assignment.spec import load_assignment
    from harness.pipeline.loading import in_sandbox
    from harness.pipeline.task import Task
    from harness.sources.submission import open_submission

    check_writable(settings.out)
    spec = load_assignment(assignment or default_assignment())
    submission = open_submission(
        path, spec, variants=variants, class_name=class_name, arguments=dict(map(constructor_argument, ctor))
    )
    return Task(submission, spec, settings, source or in_sandbox(), display.show)


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


def constructor_argument(text: str) -> "tuple[str, Scalar]":
    """Return the name and the value of ``NAME=VALUE``, of the type that the value looks like.

    Raises:
        UsageError: it is something else.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(f"--ctor {text}: expected NAME=VALUE such as num_classes=10.")
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    for number in (int, float):
        try:
            return name, number(value)
        except ValueError:
            continue
    return name, value


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
