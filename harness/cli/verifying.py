"""verify, evaluate, reproduce: commands that check what was trained before, here or elsewhere."""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from harness.base.errors import HarnessError, UsageError
from harness.cli.grading import finish
from harness.cli.options import (
    EXIT,
    AssignmentOption,
    CacheOption,
    ClassOption,
    CtorOption,
    DataOption,
    DeviceOption,
    JsonOption,
    PathArgument,
    RecomputeOption,
    RecordArgument,
    SandboxOption,
    WorkersOption,
    opened,
)
from harness.cli.outputs import alone_in, check_file, clear_file

if TYPE_CHECKING:
    from harness.pipeline.task import Task
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


def evaluate(
    path: PathArgument,
    weights: Annotated[
        Path,
        typer.Option(metavar="FILE", help="A state dict, or a dictionary that holds one; .safetensors too."),
    ],
    variant: Annotated[str | None, typer.Option(help="Which variant; the default if not given.")] = None,
    assignment: AssignmentOption = None,
    class_name: ClassOption = None,
    ctor: CtorOption = [],  # noqa: B006
    device: DeviceOption = "auto",
    data: DataOption = None,
    stats_cache: CacheOption = None,
    recompute_stats: RecomputeOption = False,  # noqa: FBT002
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what was measured as JSON.")
    ] = None,
    sandbox: SandboxOption = "auto",
) -> None:
    """Measure a checkpoint on the test set with the code that grades: accuracy, interval, every class.

    Exits with 0 whatever the accuracy is: a checkpoint is no grade, since nobody saw its training.
    """
    from harness.base.files import write_text
    from harness.cli.result_tables import show_measured
    from harness.cli.terminal import Display
    from harness.pipeline.jobs import run_evaluation
    from harness.pipeline.loading import load, required
    from harness.pipeline.task import Settings
    from harness.training.client import Child

    if not weights.exists():
        raise UsageError(f"--weights {weights}: no such file; expected a checkpoint. Give the path of one.")
    check_file(json)
    with TemporaryDirectory(prefix="harness-") as out, Display() as display, closing(Child()) as worker:
        settings = Settings(
            out=Path(out),
            device=device,
            data=data,
            stats_cache=stats_cache,
            recompute_stats=recompute_stats,
            sandbox=sandbox,
        )
        task = opened(path, assignment, [variant] if variant else [], class_name, ctor, settings, display)
        name = _one_variant(task)
        task = task.alone(name)
        loaded = required(load(task).variants[name])
        measured = run_evaluation(task, name, weights, worker)
    show_measured(f"{name}: {loaded.class_name} with {weights.name}", measured)
    if json is not None:
        write_text(json, measured.model_dump_json(indent=2) + "\n")


def reproduce(
    record: RecordArgument,
    data: DataOption = None,
    workers: WorkersOption = 0,
    assignment: AssignmentOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep what it trains here; else it is removed.")
    ] = None,
) -> None:
    """Grade a record again from the graphs and weights beside it: identical, or what differs first.

    Exits with 0 if every byte of the result is the same, 1 if not, 2 if a file is missing or was changed,
    3 if it could not be trained again.
    """
    from harness.cli.result_tables import show_reproduction
    from harness.cli.terminal import Display, say
    from harness.pipeline.foreseen import foreseen
    from harness.pipeline.reproduce import assignment_of, reproduce
    from harness.pipeline.task import Settings
    from harness.record.record import load_record

    loaded = load_record(record)
    spec = assignment_of(loaded, assignment)
    for warning in foreseen(loaded):
        say(warning)
    with TemporaryDirectory(prefix="harness-") as temporary, alone_in(out or Path(temporary)):
        folder = out or Path(temporary)
        settings = Settings(out=folder, workers=workers, data=data, stats_cache=folder / "stats.json")
        with Display() as display:
            found = reproduce(loaded, record.parent, spec, settings, display.show)
    show_reproduction(found)
    if found.first is not None:
        raise typer.Exit(EXIT["failed"])


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


def _one_variant(task: "Task") -> str:
    default = task.assignment.default_variant
    return default if default in task.submission.variants else next(iter(task.submission.variants))
