"""evaluate, reproduce: commands that measure again what is there."""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from harness.base.errors import UsageError
from harness.cli.options import (
    EXIT,
    AssignmentOption,
    CacheOption,
    ClassOption,
    CtorOption,
    DataOption,
    DeviceOption,
    PathArgument,
    RecomputeOption,
    RecordArgument,
    SandboxOption,
    WorkersOption,
    opened,
)
from harness.cli.outputs import alone_in, check_file

if TYPE_CHECKING:
    from harness.pipeline.task import Task


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
    from harness.cli.terminal import Display, show_measured
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
    from harness.cli.terminal import Display, say, show_reproduction
    from harness.pipeline.reproduce import assignment_of, foreseen, reproduce
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


def _one_variant(task: "Task") -> str:
    default = task.assignment.default_variant
    return default if default in task.submission.variants else next(iter(task.submission.variants))
