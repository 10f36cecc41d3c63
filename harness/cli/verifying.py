"""verify: the command for machines that cannot train."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from harness.base.errors import HarnessError
from harness.cli.grading import finish
from harness.cli.options import AssignmentOption, JsonOption, PathArgument, opened
from harness.cli.outputs import check_file, clear_file

if TYPE_CHECKING:
    from harness.record.record import Record

PLACES = ("results/scorecard.json", "scorecard.json")


def verify(
    path: PathArgument,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A record of the training; results/scorecard.json in PATH."),
    ] = None,
    gradescope: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write Gradescope's results.json after every variant."),
    ] = None,
    assignment: AssignmentOption = None,
    json: JsonOption = None,
) -> None:
    """Judge the rules live, and the accuracy by re-checking the record of a training made elsewhere."""
    from harness.base.files import write_text
    from harness.cli.terminal import Display
    from harness.pipeline.task import Settings
    from harness.pipeline.verify import verify as verified
    from harness.report.formats.gradescope import render_gradescope, render_ungraded

    check_file(json)
    clear_file(gradescope, "--gradescope")

    def publish(so_far: "Record") -> None:
        if gradescope is not None:
            write_text(gradescope, render_gradescope(so_far))

    try:
        with TemporaryDirectory(prefix="harness-") as out, Display() as display:
            task = opened(path, assignment, [], None, [], Settings(out=Path(out)), display)
            uploaded, why_none = _uploaded(task.submission.root, record)
            final = verified(task, uploaded, why_none, publish)
    except HarnessError as error:
        if gradescope is not None and not gradescope.exists():
            write_text(gradescope, render_ungraded(str(error)))
        raise
    finish(final, json)


# Private functions


def _uploaded(folder: Path, named: Path | None) -> "tuple[Record | None, str]":
    """Read the record that came with a submission; the second value says why there is none."""
    from harness.record.record import load_record

    found = [file for file in (folder / place for place in PLACES) if file.is_file()]
    if named is None and not found:
        return None, f"no record of a training came with the submission; expected {' or '.join(PLACES)}"
    try:
        return load_record(named or found[0]), ""
    except HarnessError as error:
        return None, str(error).replace(f"{folder}/", "")
