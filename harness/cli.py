"""The command line: the only module that prints, draws progress, or exits."""

import shlex
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from harness import record as records
from harness.assignment import DEFAULT_ASSIGNMENT, AssignmentSpec, Scalar, load_assignment
from harness.errors import HarnessError, UsageError
from harness.grade import Run, Settings, Stage, grade, take_in, train
from harness.intake.sandbox import Untraced
from harness.intake.submission import open_submission
from harness.record import Record, VariantRecord
from harness.reporting.files import write_reports, write_text, write_training
from harness.training.jobs import DataEvent, DownloadEvent, EpochEvent, Event, StepEvent, TrainedEvent

EXIT = {"passed": 0, "failed": 1, "not_judged": 3}
MARK = {"passed": "[green]✓ passed[/]", "failed": "[red]✗ failed[/]", "not_judged": "[yellow]? not judged[/]"}
STAGES = {"intake": "importing and exporting the model", "probe": "running it untrained", "train": "training"}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Grade a PyTorch submission: rules on the graph that really executes, seeded training, a scorecard.",
)
screen = Console(stderr=True, highlight=False)

PathArgument = Annotated[Path, typer.Argument(help="A model file, or a folder with or without submission.toml.")]
AssignmentOption = Annotated[Path, typer.Option(help="The assignment's TOML file.", metavar="FILE")]
VariantOption = Annotated[list[str], typer.Option("--variant", help="Rule set to judge by; repeatable.")]
ClassOption = Annotated[str | None, typer.Option("--class", metavar="NAME", help="The model's class.")]
CtorOption = Annotated[
    list[str], typer.Option("--ctor", metavar="NAME=VALUE", help="A constructor argument; repeatable.")
]
JsonOption = Annotated[
    str | None, typer.Option("--json", metavar="FILE|-", help="Write the record as JSON; - is standard output.")
]
OutOption = Annotated[Path, typer.Option(help="Folder for the results.", metavar="DIR")]
SeedOption = Annotated[int | None, typer.Option(help="Base seed; the assignment's if not given.")]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")]
WorkersOption = Annotated[int, typer.Option(min=0, help="Data-loading processes; the result is the same.")]
DataOption = Annotated[
    str | None, typer.Option(metavar="DIR|mini", help="Folder with CIFAR-10; mini is the embedded preview set.")
]
CacheOption = Annotated[Path, typer.Option(metavar="FILE", help="Cache of the training split's mean and std.")]
RecomputeOption = Annotated[bool, typer.Option("--recompute-stats", help="Compute mean and std again.")]
ResumeOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Continue from a last.pth.")]
SaveEveryOption = Annotated[int, typer.Option(min=0, help="Keep a snapshot every N epochs; 0 keeps none.")]

DEFAULT_OUT = Path("results")
DEFAULT_CACHE = DEFAULT_OUT / "cifar10_stats.json"


@app.command("check", epilog="Example: `harness check submission --variant basic`")
def check_command(
    path: PathArgument,
    assignment: AssignmentOption = DEFAULT_ASSIGNMENT,
    variant: VariantOption = [],  # noqa: B006 - Typer copies it
    class_name: ClassOption = None,
    ctor: CtorOption = [],  # noqa: B006
    json: JsonOption = None,
    out: OutOption = DEFAULT_OUT,
) -> None:
    """Judge the rules only: seconds, no training, no data needed."""
    with _Display() as display:
        run = _open(path, assignment, variant, class_name, ctor, Settings(out=out), display)
        record = grade(run)
    _finish(record, json)


@app.command("grade", epilog="Example: `harness grade submission --variant basic --data ./data`")
def grade_command(
    path: PathArgument,
    assignment: AssignmentOption = DEFAULT_ASSIGNMENT,
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
    recompute_stats: RecomputeOption = False,
) -> None:
    """Judge the rules, train, measure, and write the scorecard.

    Variants named with `--variant` are graded in full. Without it the assignment's default variant
    is, and the others are judged by the rules alone.
    """
    settings = Settings(
        out=out,
        seed=seed,
        device=device,
        workers=workers,
        data=data,
        stats_cache=stats_cache,
        recompute_stats=recompute_stats,
    )
    with _Display() as display:
        run = _open(path, assignment, variant, class_name, ctor, settings, display)
        record = grade(run, train=_to_train(run, variant))
    folders = {name: run.folder(name) for name in record.variants}
    write_reports(record, out, folders, shlex.join(["harness", *sys.argv[1:]]))
    _finish(record, json)
    screen.print(f"Scorecard: {out / 'scorecard.md'}, record: {out / 'scorecard.json'}", soft_wrap=True)


@app.command("train", epilog="Example: `harness train submission --model basic --epochs 25`")
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
    recompute_stats: RecomputeOption = False,
    data: DataOption = None,
    seed: SeedOption = None,
    out: OutOption = DEFAULT_OUT,
    assignment: AssignmentOption = DEFAULT_ASSIGNMENT,
    class_name: ClassOption = None,
    ctor: CtorOption = [],  # noqa: B006
) -> None:
    """Train one variant with your own numbers. This is practice, not a grade."""
    settings = Settings(out, seed, device, workers, data, stats_cache, recompute_stats, resume, save_every)
    with _Display() as display:
        run = _open(path, assignment, [model], class_name, ctor, settings, display)
        recipe = run.assignment.recipe_changed({"epochs": epochs, "batch_size": batch_size, "lr": lr})
        take_in(run)
        traced = run.traced[model]
        if isinstance(traced, Untraced):
            raise UsageError(f"{traced.message}\n{traced.traceback}".rstrip())
        final = train(run, model, recipe)
    if not isinstance(final, TrainedEvent):
        screen.print(f"[red]{escape(final.message)}[/]")
        raise typer.Exit(1)
    folder = run.folder(model)
    write_training(final.training, folder)
    write_text(folder / "model_summary.txt", traced.summary + "\n")
    write_text(folder / "training.json", final.training.model_dump_json(indent=2) + "\n")
    low, high = final.training.accuracy_interval
    screen.print(
        f"{model}: {final.training.accuracy:.2%} after {epochs} epochs "
        f"(95 % interval {low:.2%} to {high:.2%}); results in {folder}",
        soft_wrap=True,
    )


def main() -> None:
    """Run the command line and exit: 0 passed, 1 failed, 2 bad usage, 3 not judged, 130 interrupted."""
    try:
        sys.exit(app(standalone_mode=False))
    except HarnessError as error:
        screen.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        screen.print("interrupted")
        sys.exit(130)
    except Exception:  # noqa: BLE001 - the last line of defence: a defect of the harness is never a grade
        traceback.print_exc()
        screen.print("[bold red]error:[/] the harness itself failed; no verdict was reached. Please report it.")
        sys.exit(3)


# Private functions


def _open(
    path: Path,
    assignment: Path,
    variants: Sequence[str],
    class_name: str | None,
    ctor: Sequence[str],
    settings: Settings,
    display: "_Display",
) -> Run:
    spec = load_assignment(assignment)
    submission = open_submission(
        path, spec, variants=variants, class_name=class_name, arguments=dict(map(_argument, ctor))
    )
    return Run(submission, spec, settings, display.show)


def _argument(text: str) -> tuple[str, Scalar]:
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


def _to_train(run: Run, asked: Sequence[str]) -> frozenset[str]:
    if asked:
        return frozenset(asked)
    default = run.assignment.default_variant
    return frozenset([default] if default in run.submission.variants else run.submission.variants)


def _finish(record: Record, json: str | None) -> None:
    """Show the verdict, write the JSON where asked, and exit with the verdict's code."""
    for name, variant in record.variants.items():
        _print_variant(name, variant)
    screen.print(f"{MARK[record.verdict]}, {record.points} of {record.max_points} points")
    if json == "-":
        sys.stdout.write(records.to_json(record))
    elif json is not None:
        write_text(Path(json), records.to_json(record))
    if code := EXIT[record.verdict]:
        raise typer.Exit(code)


def _print_variant(name: str, variant: VariantRecord) -> None:
    table = Table(title=escape(f"{name}: {variant.title} ({variant.class_name})"), title_justify="left")
    for column in ("rule", "verdict", "expected", "actual"):
        table.add_column(column, overflow="fold")
    table.add_column("points", justify="right")
    for finding in variant.findings:
        points = "–" if finding.points is None else str(finding.points)
        table.add_row(
            finding.rule,
            MARK[finding.status],
            escape(finding.expected),
            escape(finding.actual),
            f"{points}/{finding.max_points}",
        )
    screen.print(table)
    if variant.problem:
        screen.print(f"[yellow]not taken in:[/] {escape(variant.problem.message)}", soft_wrap=True)
        screen.print(escape(variant.problem.traceback), soft_wrap=True)
        return
    for finding in variant.findings:
        if finding.status != "passed":
            screen.print(f"[bold]{finding.rule}[/]: {escape(finding.help)}", soft_wrap=True)
    for warning in variant.facts.warnings:
        screen.print(f"note: {escape(warning)}", soft_wrap=True)


class _Display:
    """Show progress: bars on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=screen,
            transient=True,
            disable=not screen.is_terminal,
        )
        self._task: TaskID | None = None
        self._started = time.monotonic()

    def __enter__(self) -> "_Display":
        self._bars.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._bars.stop()

    def show(self, variant: str, event: Event | Stage) -> None:
        """Show one event of a run; the signature of `harness.grade.Listener`."""
        match event:
            case str():
                self._task, self._started = None, time.monotonic()
                self._line(f"{variant + ': ' if variant else ''}{STAGES[event]} …")
            case DataEvent():
                self._line(event.message)
            case DownloadEvent():
                total = event.total or event.done
                self._bar("downloading CIFAR-10", event.done, total, f"{event.done / 1e6:.0f} MB")
            case StepEvent():
                done, total = (event.epoch - 1) * event.steps + event.step, event.epochs * event.steps
                numbers = f"epoch {event.epoch}/{event.epochs} loss {event.loss:.3f} acc {event.accuracy:.1%}"
                self._bar(f"training {variant}", done, total, numbers)
            case EpochEvent():
                self._epoch(event)
            case _:
                pass

    def _bar(self, what: str, done: int, total: int, numbers: str) -> None:
        if self._task is None:
            self._task = self._bars.add_task(what, total=total, numbers=numbers)
        self._bars.update(self._task, completed=done, total=total, numbers=numbers)

    def _epoch(self, event: EpochEvent) -> None:
        log, left = event.log, event.epochs - event.log.epoch
        minutes = left * (time.monotonic() - self._started) / max(1, event.log.epoch) / 60
        self._line(
            f"epoch {log.epoch:>3}/{event.epochs}  loss {log.train_loss:.4f}  train {log.train_acc:.2%}  "
            f"test {log.test_acc:.2%}  {event.seconds:.0f} s, about {minutes:.0f} min left"
        )

    def _line(self, text: str) -> None:
        screen.print(escape(text), soft_wrap=True)
