"""The command line: parses, calls, exits. What it shows is drawn by `harness.screen`."""

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer.exceptions import TyperException

from harness.errors import HarnessError, UsageError

# What only a command needs is imported by the command, so that --help answers at once.
if TYPE_CHECKING:
    from harness.assignment import Scalar
    from harness.record import Record
    from harness.run import Run, Settings
    from harness.screen import Display

INTERRUPTED = 130
"""What Typer makes of Ctrl-C."""
EXIT = {"passed": 0, "failed": 1, "not_judged": 3}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Grade a PyTorch submission: rules on the graph that really executes, seeded training, a scorecard.",
)
PathArgument = Annotated[
    Path, typer.Argument(help="A model file, or a folder with or without submission.toml.")
]
AssignmentOption = Annotated[
    Path | None,
    typer.Option(help="The assignment's TOML file.", metavar="FILE", show_default="cifar10-compact-cnn"),
]
VariantOption = Annotated[list[str], typer.Option("--variant", help="Rule set to judge by; repeatable.")]
ClassOption = Annotated[str | None, typer.Option("--class", metavar="NAME", help="The model's class.")]
CtorOption = Annotated[
    list[str], typer.Option("--ctor", metavar="NAME=VALUE", help="A constructor argument; repeatable.")
]
JsonOption = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE|-", help="Write the record as JSON; - is standard output."),
]
OutOption = Annotated[Path, typer.Option(help="Folder for the results.", metavar="DIR")]
SeedOption = Annotated[int | None, typer.Option(help="Base seed; the assignment's if not given.")]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")]
WorkersOption = Annotated[int, typer.Option(min=0, help="Data-loading processes; the result is the same.")]
DataOption = Annotated[
    str | None,
    typer.Option(metavar="DIR|mini", help="Folder with CIFAR-10; mini is the embedded preview set."),
]
CacheOption = Annotated[
    Path, typer.Option(metavar="FILE", help="Cache of the training split's mean and std.")
]
RecomputeOption = Annotated[bool, typer.Option("--recompute-stats", help="Compute mean and std again.")]
ResumeOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Continue from a last.pth.")]
SaveEveryOption = Annotated[int, typer.Option(min=0, help="Keep a snapshot every N epochs; 0 keeps none.")]

DEFAULT_OUT = Path("results")
DEFAULT_CACHE = DEFAULT_OUT / "cifar10_stats.json"


@app.command("check", epilog="Example: [bold]harness check submission --variant basic[/]")
def check_command(
    path: PathArgument,
    assignment: AssignmentOption = None,
    variant: VariantOption = [],  # noqa: B006 - Typer copies it
    class_name: ClassOption = None,
    ctor: CtorOption = [],  # noqa: B006
    json: JsonOption = None,
) -> None:
    """Judge the rules only: seconds, no training, no data needed."""
    from harness.grade import grade
    from harness.run import Settings
    from harness.screen import Display

    with TemporaryDirectory(prefix="harness-") as out, Display() as display:
        run = _open(path, assignment, variant, class_name, ctor, Settings(out=Path(out)), display)
        record = grade(run)
    _finish(record, json)


@app.command("grade", epilog="Example: [bold]harness grade submission --variant basic --data ./data[/]")
def grade_command(
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
    stats_cache: CacheOption = DEFAULT_CACHE,
    recompute_stats: RecomputeOption = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Judge the rules, train, measure, and write the scorecard.

    Variants named with --variant are graded in full. Without it the assignment's default variant
    is, and the others are judged by the rules alone.
    """
    from harness.grade import grade
    from harness.reporting.files import write_reports
    from harness.run import Settings
    from harness.screen import Display, say

    settings = Settings(
        out=out,
        seed=seed,
        device=device,
        workers=workers,
        data=data,
        stats_cache=stats_cache,
        recompute_stats=recompute_stats,
    )
    with Display() as display:
        run = _open(path, assignment, variant, class_name, ctor, settings, display)
        record = grade(run, to_train=_to_train(run, variant))
    folders = {name: run.folder(name) for name in record.variants}
    write_reports(record, out, folders)
    say(f"Scorecard: {out / 'scorecard.md'}, record: {out / 'scorecard.json'}")
    _finish(record, json)


@app.command("train", epilog="Example: [bold]harness train submission --model basic --epochs 25[/]")
def train_command(
    path: PathArgument,
    model: Annotated[str, typer.Option(help="Which variant to train.")] = "basic",
    epochs: Annotated[int, typer.Option(min=1, help="Total epochs.")] = 25,
    batch_size: Annotated[int, typer.Option(min=2, help="Images per step.")] = 128,
    lr: Annotated[float, typer.Option(help="Peak learning rate of the one-cycle schedule.")] = 0.1,
    device: DeviceOption = "auto",
    workers: WorkersOption = 2,
    resume: ResumeOption = None,
    save_every: SaveEveryOption = 0,
    stats_cache: CacheOption = DEFAULT_CACHE,
    recompute_stats: RecomputeOption = False,  # noqa: FBT002 - a flag of the command line
    data: DataOption = None,
    seed: SeedOption = None,
    out: OutOption = DEFAULT_OUT,
    assignment: AssignmentOption = None,
    class_name: ClassOption = None,
    ctor: CtorOption = [],  # noqa: B006
) -> None:
    """Train one variant with your own numbers. This is practice, not a grade."""
    from harness.files import write_text
    from harness.intake.sandbox import Untraced
    from harness.reporting.files import write_training
    from harness.run import Settings, take_in, train
    from harness.screen import Display, say
    from harness.training.jobs import TrainedEvent

    settings = Settings(out, seed, device, workers, data, stats_cache, recompute_stats, resume, save_every)
    with Display() as display:
        run = _open(path, assignment, [model], class_name, ctor, settings, display)
        recipe = run.recipe(model).changed({"epochs": epochs, "batch_size": batch_size, "lr": lr})
        take_in(run)
        traced = run.traced[model]
        if isinstance(traced, Untraced):
            raise HarnessError(f"{traced.message}\n{traced.traceback}".rstrip())
        final = train(run, model, recipe)
    if not isinstance(final, TrainedEvent):
        say(final.message)
        raise typer.Exit(1)
    folder = run.folder(model)
    write_training(final.training, folder)
    write_text(folder / "model_summary.txt", traced.summary + "\n")
    write_text(folder / "training.json", final.training.model_dump_json(indent=2) + "\n")
    low, high = final.training.accuracy_interval
    say(
        f"{model}: {final.training.accuracy:.2%} after {epochs} epochs "
        f"(95 % interval {low:.2%} to {high:.2%}); results in {folder}"
    )


@app.command("rf", epilog="Example: [bold]harness rf submission --variant basic --check --erf rf.png[/]")
def rf_command(
    path: PathArgument,
    input_shape: Annotated[
        tuple[int, int, int], typer.Option("--input", metavar="C H W", help="Shape of one image.")
    ] = (3, 32, 32),
    title: Annotated[str, typer.Option(help="Heading; RF: CLASS (HxW input) if not given.")] = "",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,  # noqa: FBT002
    check: Annotated[  # noqa: FBT002
        bool, typer.Option("--check", help="Measure it a second time, by gradients, and compare.")
    ] = False,
    erf: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the effective receptive field.")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Random images for --erf.")] = 32,
    assignment: AssignmentOption = None,
    variant: VariantOption = [],  # noqa: B006
    class_name: ClassOption = None,
    ctor: CtorOption = [],  # noqa: B006
) -> None:
    """Print the receptive field of every layer; check it by gradients; draw the effective one."""
    from harness.receptive_field import report_field
    from harness.reporting.markdown import render_field
    from harness.reporting.plots import draw_receptive_field
    from harness.run import Settings, take_in
    from harness.screen import Display, say, show_field

    if min(input_shape) < 1:
        raise UsageError(
            f"--input {' '.join(map(str, input_shape))}: expected three positive numbers, C H W."
        )
    with TemporaryDirectory(prefix="harness-") as out, Display() as display:
        run = _open(path, assignment, variant, class_name, ctor, Settings(out=Path(out)), display)
        if erf is not None and len(run.submission.variants) > 1:
            names = ", ".join(run.submission.variants)
            raise UsageError(f"--erf: expected one network, got {names}. Name one with --variant.")
        take_in(run, input_shape)
        reports = [
            report_field(run, name, title, check=check, images=images if erf else 0) for name in run.traced
        ]
    for report in reports:
        if markdown:
            typer.echo(render_field(report))
        else:
            show_field(report)
        if erf is not None and report.effective is not None:
            draw_receptive_field(erf, report.effective, report.title)
            say(f"Effective receptive field: {erf}")
    if any(report.before_pool_px is None or report.doubtful for report in reports):
        raise typer.Exit(EXIT["not_judged"])


@app.command("explain", epilog="Example: [bold]harness explain no_max_pool[/]")
def explain_command(
    rule: Annotated[str | None, typer.Argument(help="A rule's name; all are listed without one.")] = None,
) -> None:
    """Say what a rule measures, what it allows, what not, and why."""
    from harness.explain import overview, page
    from harness.screen import show_page

    show_page(page(rule) if rule else overview())


def main() -> None:
    """Run the command line and exit: 0 passed, 1 failed, 2 bad usage, 3 not judged, 130 interrupted."""
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:
            typer.echo("interrupted", err=True)
        sys.exit(code)
    except HarnessError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except TyperException as error:
        if message := error.format_message():
            typer.echo(f"error: {message} See harness --help.", err=True)
        sys.exit(2)
    except Exception:  # noqa: BLE001 - the last line of defence: a defect of the harness is never a grade
        traceback.print_exc()
        typer.echo("error: the harness itself failed; no verdict was reached. Please report it.", err=True)
        sys.exit(3)


# Private functions


def _open(
    path: Path,
    assignment: Path | None,
    variants: Sequence[str],
    class_name: str | None,
    ctor: Sequence[str],
    settings: "Settings",
    display: "Display",
) -> "Run":
    from harness.assignment import DEFAULT_ASSIGNMENT, load_assignment
    from harness.intake.submission import open_submission
    from harness.run import Run

    _check_writable(settings.out)
    spec = load_assignment(assignment or DEFAULT_ASSIGNMENT)
    submission = open_submission(
        path, spec, variants=variants, class_name=class_name, arguments=dict(map(_argument, ctor))
    )
    return Run(submission, spec, settings, display.show)


def _check_writable(folder: Path) -> None:
    """Find out before the work, not after it, that its results could not be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "permission denied")
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"--out {folder}: cannot be written ({reason}). Name another folder.") from None


def _argument(text: str) -> "tuple[str, Scalar]":
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


def _to_train(run: "Run", asked: Sequence[str]) -> frozenset[str]:
    if asked:
        return frozenset(asked)
    default = run.assignment.default_variant
    return frozenset([default] if default in run.submission.variants else run.submission.variants)


def _finish(record: "Record", json: str | None) -> None:
    """Show the verdict, write the JSON where asked, and exit with the verdict's code."""
    from harness import record as records
    from harness.files import write_text
    from harness.screen import show_record

    show_record(record)
    if json == "-":
        sys.stdout.write(records.to_json(record))
    elif json is not None:
        write_text(Path(json), records.to_json(record))
    if code := EXIT[record.verdict]:
        raise typer.Exit(code)
