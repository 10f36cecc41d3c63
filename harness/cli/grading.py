"""new, check, grade, train: commands that begin, judge or train a submission."""

import statistics
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from harness.base.errors import UsageError
from harness.cli.options import (
    DEFAULT_OUT,
    EXIT,
    AssignmentOption,
    CacheOption,
    ClassOption,
    CtorOption,
    DataOption,
    DeviceOption,
    JsonOption,
    OutOption,
    PathArgument,
    RecomputeOption,
    ResumeOption,
    SandboxOption,
    SaveEveryOption,
    SeedOption,
    VariantOption,
    WorkersOption,
    opened,
)
from harness.cli.outputs import alone_in, check_file, nothing_lost, unfinished

if TYPE_CHECKING:
    from harness.pipeline.task import Task
    from harness.record.record import Record
    from harness.record.trainings import Training
    from harness.training.client import Child


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or an empty folder.")],
) -> None:
    """Write a starter submission: a small network that keeps every rule, for you to make your own."""
    from harness.assignment.starter import write_starter
    from harness.cli.terminal import say

    for file in write_starter(folder):
        say(f"wrote {file}")
    say(f"Now change {folder / 'model.py'}, and judge it with harness check {folder}")


def check(
    path: PathArgument,
    assignment: AssignmentOption = None,
    variant: VariantOption = [],  # noqa: B006 - Typer copies it
    class_name: ClassOption = None,
    ctor: CtorOption = [],  # noqa: B006
    json: JsonOption = None,
    sandbox: SandboxOption = "auto",
    self_check: Annotated[  # noqa: FBT002 - a flag of the command line
        bool,
        typer.Option("--self", help="Your own code, in no sandbox: on any system, and never a grade."),
    ] = False,
) -> None:
    """Judge the rules only: seconds, no training, no data needed."""
    from harness.cli.terminal import Display, say
    from harness.pipeline.grade import grade_variants, variants_to_train
    from harness.pipeline.recording import record
    from harness.pipeline.task import Settings
    from harness.pipeline.tiers import foreseen

    check_file(json)
    with TemporaryDirectory(prefix="harness-") as out, Display() as display:
        settings = Settings(out=Path(out), sandbox=sandbox, self_check=self_check)
        task = opened(path, assignment, variant, class_name, ctor, settings, display)
        graded = grade_variants(task)
        trained = graded.architectures(variants_to_train(task, variant))
        expected = [foreseen(task, name, architecture) for name, architecture in trained]
    for said in filter(None, expected):
        say(said)
    finish(record(task, graded), json)


def grade(
    path: PathArgument,
    assignment: AssignmentOption = None,
    variant: VariantOption = [],  # noqa: B006
    class_name: ClassOption = None,
    ctor: CtorOption = [],  # noqa: B006
    json: JsonOption = None,
    out: OutOption = DEFAULT_OUT,
    seed: SeedOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = 0,
    data: DataOption = None,
    stats_cache: CacheOption = None,
    recompute_stats: RecomputeOption = False,  # noqa: FBT002 - a flag of the command line
    sandbox: SandboxOption = "auto",
    fresh: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--fresh", help="Train anew, whatever an interrupted grade has left in --out.")
    ] = False,
) -> None:
    """Judge the rules, train, measure, and write the scorecard.

    Variants named with --variant are graded in full. Without it the assignment's default variant
    is, and the others are judged by the rules alone. After an interruption the same command goes on
    with the trainings from their last complete epoch, to the same bytes.
    """
    from harness.cli.terminal import Display, say
    from harness.pipeline.grade import grade_variants, variants_to_train
    from harness.pipeline.recording import record as record_of
    from harness.pipeline.task import Settings
    from harness.report.files import write_reports

    settings = Settings(
        out=out,
        seed=seed,
        device=device,
        workers=workers,
        data=data,
        stats_cache=stats_cache,
        recompute_stats=recompute_stats,
        sandbox=sandbox,
        live=True,
    )
    check_file(json)
    with alone_in(out), unfinished(out) as interrupted, Display() as display:
        settings = replace(settings, continues=interrupted and not fresh)
        task = opened(path, assignment, variant, class_name, ctor, settings, display)
        graded = grade_variants(task, variants_to_train(task, variant), fields=True)
        record = record_of(task, graded)
        task.listen("", "draw")
        folders = {name: task.folder(name) for name in record.variants}
        with nothing_lost(record, out):
            not_drawn = write_reports(record, out, folders, graded.measured)
    for note in (*graded.notes, *not_drawn):
        say(f"note: {note}")
    say(f"Scorecard: {out / 'scorecard.md'}, record: {out / 'scorecard.json'}")
    finish(record, json)


def train(
    path: PathArgument,
    model: Annotated[
        str | None, typer.Option(help="Which variant to train.", show_default="the assignment's first")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Total epochs.")] = 25,
    batch_size: Annotated[int, typer.Option(min=2, help="Images per step.")] = 128,
    lr: Annotated[float, typer.Option(help="Peak learning rate of the one-cycle schedule.")] = 0.1,
    device: DeviceOption = "auto",
    workers: WorkersOption = 2,
    resume: ResumeOption = None,
    save_every: SaveEveryOption = 0,
    stats_cache: CacheOption = None,
    recompute_stats: RecomputeOption = False,  # noqa: FBT002 - a flag of the command line
    data: DataOption = None,
    seed: SeedOption = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Train this many times, with seeds seed, seed + 1, …")
    ] = 1,
    out: OutOption = DEFAULT_OUT,
    assignment: AssignmentOption = None,
    class_name: ClassOption = None,
    ctor: CtorOption = [],  # noqa: B006
    sandbox: SandboxOption = "auto",
) -> None:
    """Train one variant with your own numbers. This is practice, not a grade."""
    from harness.cli.terminal import Display, say, verdicts
    from harness.datasets.loading import check_before
    from harness.pipeline.grade import variants_to_train
    from harness.pipeline.task import Settings
    from harness.training.client import Child

    if seeds > 1 and resume is not None:
        raise UsageError("--resume: continues one training; expected --seeds 1, got --seeds with more.")
    settings = Settings(
        out,
        seed,
        device,
        workers,
        data,
        stats_cache,
        recompute_stats,
        resume,
        live=True,
        save_every=save_every,
        sandbox=sandbox,
    )
    with alone_in(out), Display() as display, closing(Child()) as worker:
        task = opened(path, assignment, [model] if model else [], class_name, ctor, settings, display)
        model, *_ = sorted(variants_to_train(task, [model] if model else []))
        task = task.alone(model)
        check_before(task.assignment.data, data)
        changes = {"epochs": epochs, "batch_size": batch_size, "lr": lr}
        task.recipe(model).changed(changes)  # what cannot be is refused before anything is run
        tasks = [task] if seeds == 1 else [task.with_seed(model, task.seed + i) for i in range(seeds)]
        accuracies = [_practised(one, model, changes, worker).accuracy for one in tasks]
    if seeds > 1:
        say(
            f"{model}, seeds {tasks[0].seed} to {tasks[-1].seed}: mean {statistics.mean(accuracies):.2%}, "
            f"standard deviation {100 * statistics.stdev(accuracies):.2f} points, "
            f"min {min(accuracies):.2%}, max {max(accuracies):.2%}",
            verdicts,
        )


def finish(record: "Record", json: str | None) -> None:
    """Show the verdict, write the JSON where asked, and exit with the verdict's code."""
    from harness.base.files import write_text
    from harness.cli.result_tables import show_record
    from harness.record import record as records

    if json is not None and json != "-":
        with nothing_lost(record, json):
            write_text(Path(json), records.to_json(record))
    show_record(record)
    if json == "-":
        sys.stdout.write(records.to_json(record))
    if code := EXIT[record.verdict]:
        raise typer.Exit(code)


# Private functions


def _practised(task: "Task", model: str, changes: Mapping[str, float], worker: "Child") -> "Training":
    """Load a variant, train it, and write what is known of the training."""
    from harness.base.files import write_text
    from harness.cli.terminal import say, verdicts
    from harness.pipeline.jobs import run_training, tell_duration
    from harness.pipeline.loading import load, required
    from harness.report.files import write_training
    from harness.report.pictures import write_training_pictures
    from harness.training.events import TrainedEvent

    loaded = required(load(task).variants[model])
    recipe = task.recipe_of(model, loaded.architecture).changed(changes)
    tell_duration(task, model, loaded.architecture, recipe, worker)
    final = run_training(task, model, recipe, worker)
    if not isinstance(final, TrainedEvent):
        say(final.message)
        raise typer.Exit(1)
    training, folder = final.training, task.folder(model)
    write_training(training, folder)
    threshold = task.assignment.accuracy_asked(model)
    for note in write_training_pictures(training, folder, f"{model}: {loaded.class_name}", threshold):
        say(f"note: {note}")
    write_text(folder / "model_summary.txt", loaded.summary + "\n")
    write_text(folder / "training.json", training.model_dump_json(indent=2) + "\n")
    low, high = training.accuracy_interval
    say(
        f"{model}, seed {training.seed}: {training.accuracy:.2%} after {len(training.epochs)} epochs "
        f"(95 % interval {low:.2%} to {high:.2%}); results in {folder}",
        verdicts,
    )
    return training
