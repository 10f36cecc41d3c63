"""check, grade, train: commands that judge or train a submission."""

import statistics
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from harness.base.errors import HarnessError, UsageError
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
from harness.cli.outputs import alone_in, check_file, nothing_lost

if TYPE_CHECKING:
    from harness.pipeline.run import Run
    from harness.record.record import Record, Training
    from harness.settings.recipe import RecipeSpec


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
    from harness.cli.screen import Display
    from harness.pipeline.grade import grade
    from harness.pipeline.run import Settings

    check_file(json)
    with TemporaryDirectory(prefix="harness-") as out, Display() as display:
        settings = Settings(out=Path(out), sandbox=sandbox, self_check=self_check)
        run = opened(path, assignment, variant, class_name, ctor, settings, display)
        record = grade(run)
    finish(record, json)


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
) -> None:
    """Judge the rules, train, measure, and write the scorecard.

    Variants named with --variant are graded in full. Without it the assignment's default variant
    is, and the others are judged by the rules alone.
    """
    from harness.cli.screen import Display, say
    from harness.pipeline.grade import grade, variants_to_train
    from harness.pipeline.receptive_field import keep_effective_fields
    from harness.pipeline.run import Settings
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
    )
    check_file(json)
    with alone_in(out), Display() as display:
        run = opened(path, assignment, variant, class_name, ctor, settings, display)
        record = grade(run, to_train=variants_to_train(run, variant))
        folders = {name: run.folder(name) for name in record.variants}
        with nothing_lost(record, out):
            notes = keep_effective_fields(run, record)
            run.listen("", "draw")
            notes += write_reports(record, out, folders)
    for note in notes:
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
    from harness.cli.screen import Display, say, verdicts
    from harness.datasets.loading import check_before
    from harness.pipeline.grade import variants_to_train
    from harness.pipeline.run import Settings, with_seed

    if seeds > 1 and resume is not None:
        raise UsageError("--resume: continues one training; expected --seeds 1, got --seeds with more.")
    settings = Settings(
        out, seed, device, workers, data, stats_cache, recompute_stats, resume, save_every, sandbox
    )
    with alone_in(out), Display() as display:
        run = opened(path, assignment, [model] if model else [], class_name, ctor, settings, display)
        model, *_ = sorted(variants_to_train(run, [model] if model else []))
        alone = replace(run.submission, variants={model: run.submission.variants[model]})
        run = replace(run, submission=alone)
        check_before(run.assignment.data, data)
        recipe = run.recipe(model).changed({"epochs": epochs, "batch_size": batch_size, "lr": lr})
        runs = [run] if seeds == 1 else [with_seed(run, model, run.seed + i) for i in range(seeds)]
        accuracies = [_practised(one, model, recipe).accuracy for one in runs]
    if seeds > 1:
        say(
            f"{model}, seeds {runs[0].seed} to {runs[-1].seed}: mean {statistics.mean(accuracies):.2%}, "
            f"standard deviation {100 * statistics.stdev(accuracies):.2f} points, "
            f"min {min(accuracies):.2%}, max {max(accuracies):.2%}",
            verdicts,
        )


def finish(record: "Record", json: str | None) -> None:
    """Show the verdict, write the JSON where asked, and exit with the verdict's code."""
    from harness.base.files import write_text
    from harness.cli.screen import show_record
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


def _practised(run: "Run", model: str, recipe: "RecipeSpec") -> "Training":
    """Load a variant, train it, and write what is known of the training."""
    from harness.base.files import write_text
    from harness.cli.screen import say, verdicts
    from harness.loader.load import Untraced
    from harness.pipeline.run import take_in, train
    from harness.report.files import write_training
    from harness.report.pictures import write_training_pictures
    from harness.training.events import TrainedEvent

    take_in(run)
    traced = run.traced[model]
    if isinstance(traced, Untraced):
        raise HarnessError(f"{traced.message}\n{traced.traceback}".rstrip())
    final = train(run, model, recipe)
    if not isinstance(final, TrainedEvent):
        say(final.message)
        raise typer.Exit(1)
    training, folder = final.training, run.folder(model)
    write_training(training, folder)
    threshold = run.assignment.accuracy_asked(model)
    for note in write_training_pictures(training, folder, f"{model}: {traced.class_name}", threshold):
        say(f"note: {note}")
    write_text(folder / "model_summary.txt", traced.summary + "\n")
    write_text(folder / "training.json", training.model_dump_json(indent=2) + "\n")
    low, high = training.accuracy_interval
    say(
        f"{model}, seed {training.seed}: {training.accuracy:.2%} after {len(training.epochs)} epochs "
        f"(95 % interval {low:.2%} to {high:.2%}); results in {folder}",
        verdicts,
    )
    return training
