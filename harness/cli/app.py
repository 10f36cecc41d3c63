"""The command line: assembles the commands, and exits."""

import errno
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from harness.base.errors import HarnessError
from harness.base.installation import VERSION
from harness.cli import assignment, cohort, grading, inspecting, verifying, watching
from harness.cli import reports as rendering
from harness.cli.defaults import take_defaults
from harness.cli.options import QuietOption, add_commands, silence
from harness.report.visible import visible

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
INTERRUPTED = 130
"""What Typer makes of Ctrl-C."""
COMMANDS: tuple[tuple[str, Callable[..., Any], str], ...] = (
    ("new", grading.new, "harness new my-submission"),
    ("check", grading.check, "harness check submission --variant basic"),
    ("grade", grading.grade, "harness grade submission --variant basic --data ./data"),
    ("verify", verifying.verify, "harness verify submission --record results/scorecard.json"),
    ("train", grading.train, "harness train submission --model basic --epochs 25"),
    ("evaluate", verifying.evaluate, "harness evaluate submission --weights best.pth"),
    ("watch", watching.watch, "harness watch cohort.db"),
    ("reproduce", verifying.reproduce, "harness reproduce results/scorecard.json"),
    ("doctor", inspecting.doctor, "harness doctor --data ./data"),
    ("rf", inspecting.rf, "harness rf submission --variant basic --check --erf rf.png"),
    ("explain", inspecting.explain, "harness explain no_max_pool"),
    ("augment", rendering.augment, "harness augment --data ./data --n-samples 16"),
    ("readme", rendering.readme, "harness readme README.md --results results"),
    ("report", rendering.report, "harness report results/scorecard.json --format md,junit"),
    ("schema", rendering.schema, "harness schema > results.schema.json"),
)
"""Name, function, and an example for --help."""


def _show_version(asked: bool) -> None:  # noqa: FBT001 - as Typer calls it
    if asked:
        typer.echo(f"grading-harness {VERSION} from {Path(__file__).parents[1]}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
add_commands(app, COMMANDS)
app.add_typer(assignment.app, name="assignment")
app.add_typer(cohort.app, name="cohort")


@app.callback()
def harness(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - the callback does it
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Grade a PyTorch submission: rules on the graph that really executes, seeded training, a scorecard."""
    if quiet:
        context.with_resource(silence())
    take_defaults()


def main() -> None:
    """Run the command line and exit: 0 passed, 1 failed, 2 bad usage, 3 not judged, 130 interrupted."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:
            typer.echo("interrupted", err=True)
        sys.exit(code)
    except HarnessError as error:
        typer.echo(f"error: {visible(str(error))}", err=True)
        sys.exit(error.exit_code)
    except TyperException as error:
        if message := error.format_message():
            typer.echo(f"error: {visible(message)} See harness --help.", err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno not in _FULL:
            _give_up()
        typer.echo(f"error: {visible(_on_a_full_disk(error))}", err=True)
        sys.exit(3)
    except Exception:  # noqa: BLE001 - the last line of defence: a defect of the harness is never a grade
        _give_up()


# Private functions


def _interrupt(*_: Any) -> None:
    """End as by Ctrl-C, with children ended and copies of submissions removed; ignore further signals."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _give_up() -> NoReturn:
    traceback.print_exc()
    typer.echo("error: the harness itself failed; no verdict was reached. Please report it.", err=True)
    sys.exit(3)


def _on_a_full_disk(error: OSError) -> str:
    return (
        f"{error.filename or 'a file'}: cannot be written ({error.strerror}); no verdict was reached. "
        "Make room there (temporary files are in TMPDIR), and run the same command again."
    )
