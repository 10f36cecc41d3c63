"""The terminal's content: findings as tables, progress as bars, or plain lines where there is no terminal.

Everything goes to standard error, so that ``--json -`` has standard output to itself.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from harness.record.findings import Finding
from harness.record.record import Record, VariantRecord
from harness.report.scores import class_scores
from harness.report.visible import visible
from harness.report.words import to_change, worst_first
from harness.training.events import (
    ContinuedEvent,
    DataEvent,
    DownloadEvent,
    EpochEvent,
    EstimatedEvent,
    Event,
    MeasuredEvent,
    SlowerEvent,
    StepEvent,
)

if TYPE_CHECKING:  # a command loads what it shows
    from harness.assignment.points import Total
    from harness.base.machine import Check
    from harness.pipeline.receptive_field import FieldReport
    from harness.pipeline.reproduce import Reproduction
    from harness.pipeline.task import Stage

MARK = {"passed": "[green]✓ passed[/]", "failed": "[red]✗ failed[/]", "not_judged": "[yellow]? not judged[/]"}
STAGES = {
    "load": "importing and exporting the model",
    "probe": "running it untrained",
    "field": "measuring its receptive field by gradients",
    "train": "training",
    "borderline": "too close to the line to tell: training with further seeds, the mean decides",
    "evaluate": "measuring the weights on the test set",
    "augment": "augmenting",
    "draw": "drawing pictures",
}

screen = Console(stderr=True, highlight=False, emoji=False)
verdicts = Console(stderr=True, highlight=False, emoji=False)
"""The line that a command ends with, which --quiet leaves."""
output = Console(highlight=False, emoji=False)
"""Standard output: what a command was asked to print."""


def plain(text: str) -> str:
    """Return text of a submission to be shown as it is: no markup of ours, and none of the terminal's."""
    return escape(visible(text))


def say(text: str, to: Console = screen) -> None:
    """Print one line of text as it is."""
    to.print(plain(text), soft_wrap=True)


def show_record(record: Record) -> None:
    """Print every variant's findings, then what counts, the verdict and the total."""
    from harness.assignment.points import stated, total_of

    for name, variant in record.variants.items():
        _show_variant(name, variant)
        if tried := record.provenance.get("influence", {}).get(name):
            say(f"note: {tried}")
    judged = [variant for variant in record.variants.values() if not variant.is_missing]
    failed = [f.rule for variant in judged for f in variant.findings if f.status == "failed"]
    if failed:
        say(f"What a rule allows and why: harness explain {failed[0]}")
    for sentence in stated(record):
        say(f"note: {sentence}")
    scored = total_of(record)
    verdicts.print(f"{MARK[record.verdict]}, {scored.in_words}{_counting(record, scored)}")


def show_findings(findings: Sequence[Finding]) -> None:
    """Print what did not pass first, in full, then one line for each rule that passed."""
    for finding in worst_first(findings):
        if finding.status != "passed":
            screen.print(f"{MARK[finding.status]}  [bold]{plain(finding.rule)}[/]  {_points(finding)}")
            for word, text in (("expected", finding.expected), ("got", finding.actual)):
                screen.print(Padding(f"{word} {plain(text)}", (0, 0, 0, 4), expand=False))
    passed = [finding for finding in findings if finding.status == "passed"]
    rules = max((len(finding.rule) for finding in passed), default=0)
    for finding in passed:
        line = Text.from_markup(f"{MARK['passed']}  {plain(finding.rule):<{rules}}  {_points(finding):>5}  ")
        line.append(" ".join(visible(finding.actual).split()))
        line.truncate(screen.width, overflow="ellipsis")
        screen.print(line)


def show_field(report: "FieldReport") -> None:
    """Print the receptive field of one network: its layers, the final numbers, the second measurement."""
    names = ("k", "s", "d", "rf_in", "jump_in", "rf_out", "jump_out")
    table = Table(title=plain(report.title), title_justify="left")
    table.add_column("layer")
    for name in names:
        table.add_column(name, justify="right")
    for row in report.rows:
        table.add_row(plain(row.layer), *(str(getattr(row, name)) for name in names))
    output.print(table)
    if report.before_pool_px is None:
        output.print(f"receptive field: not known: {plain(report.unknown)}", soft_wrap=True)
    else:
        pool = "" if report.with_pool_px is None else f", {report.with_pool_px} px counting the global pool"
        output.print(f"receptive field: {report.before_pool_px} px{pool}; jump {report.jump}", soft_wrap=True)
    if report.check is not None:
        from harness.report.markdown import in_words

        output.print(f"measured by gradients: {plain(in_words(report.check))}", soft_wrap=True)


def show_measured(title: str, measured: MeasuredEvent) -> None:
    """Print what a checkpoint does on the test set: class by class, then accuracy, interval and loss."""
    header, rows = class_scores(measured.confusion, measured.data.classes)
    table = Table(title=plain(title), title_justify="left")
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*(plain(str(cell)) for cell in row))
    output.print(table)
    low, high = measured.accuracy_interval
    preview = ", the embedded mini set: not a grade" if measured.data.name == "mini" else ""
    output.print(
        f"accuracy: {measured.accuracy:.2%} of {measured.data.test_images:,} test images{preview}; "
        f"95 % interval {low:.2%} to {high:.2%}; loss {measured.loss:.4f}",
        soft_wrap=True,
    )


def show_reproduction(found: "Reproduction") -> None:
    """Print whether a record was reproduced, else what differs first, and what changed in the fingerprint."""
    if found.first is None:
        output.print(f"[green]identical[/]: the result is {found.result_sha256}", soft_wrap=True)
    else:
        output.print("[red]differs[/], and nothing after this was looked at:")
        say(f"{found.first.where}: recorded {found.first.recorded}, now {found.first.now}", output)
    if found.changed:
        output.print("What changed in the fingerprint:")
        table = Table()
        for name in ("part", "recorded", "now"):
            table.add_column(name, overflow="fold")
        for part in found.changed:
            table.add_row(*map(plain, (part.where, part.recorded, part.now)))
        output.print(table)
    elif found.first is not None:
        known = "The fingerprint is the same." if found.known else "The record has no fingerprint to compare."
        output.print(known)


def show_checks(checks: "Sequence[Check]") -> None:
    """Print what was found of this machine."""
    colours = {"PASS": "green", "CAUTION": "yellow", "FAIL": "red"}
    table = Table("check", "", "found", "what to do")
    table.columns[2].overflow = "fold"
    for check in checks:
        level = f"[{colours[check.level]}]{check.level}[/]"
        table.add_row(check.name, level, plain(check.found), plain(check.fix))
    output.print(table)


def show_page(markdown: str) -> None:
    """Print Markdown to standard output: drawn on a terminal, as it is elsewhere."""
    if output.is_terminal:
        from rich.markdown import Markdown

        output.print(Markdown(markdown))
    else:
        output.file.write(markdown)


class Display:
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
        self._what = ""

    def __enter__(self) -> "Display":
        self._bars.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._bars.stop()

    def show(self, variant: str, event: "Event | Stage") -> None:
        """Show one event of a run; the signature of `harness.pipeline.task.Listener`."""
        match event:
            case str():
                self._clear()
                say(f"{variant + ': ' if variant else ''}{STAGES[event]} …")
            case DataEvent() | SlowerEvent() | EstimatedEvent():
                say(event.message)
            case DownloadEvent():
                total = event.total or event.done
                self._bar(f"downloading {event.title}", event.done, total, f"{event.done / 1e6:.0f} MB")
            case ContinuedEvent():
                done = len(event.logs)
                say(f"{variant}: goes on after epoch {done} of {event.epochs}, which was interrupted")
            case StepEvent():
                numbers = f"step {event.step}/{event.steps} loss {event.loss:.3f} acc {event.accuracy:.1%}"
                self._bar(f"{variant}: epoch {event.epoch}/{event.epochs}", event.step, event.steps, numbers)
            case EpochEvent():
                self._epoch(event)
            case _:
                pass

    def _bar(self, what: str, done: int, total: int, numbers: str) -> None:
        if self._task is None or self._what != what:
            self._clear()
            self._task, self._what = self._bars.add_task(what, total=total, numbers=numbers), what
        self._bars.update(self._task, completed=done, total=total, numbers=numbers)

    def _clear(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = None

    def _epoch(self, event: EpochEvent) -> None:
        self._clear()
        log, left = event.log, event.epochs - event.log.epoch
        minutes = left * event.seconds / 60
        say(
            f"epoch {log.epoch:>3}/{event.epochs}  loss {log.train_loss:.4f}  train {log.train_acc:.2%}  "
            f"test {log.test_acc:.2%}  {event.seconds:.0f} s, about {minutes:.0f} min left"
        )


# Private functions


def _counting(record: Record, scored: "Total") -> str:
    """Return the variant that counts, where there are others."""
    return "" if len(scored.counted) == len(record.variants) else f", those of {', '.join(scored.counted)}"


def _show_variant(name: str, variant: VariantRecord) -> None:
    if variant.problem:
        screen.print(f"[bold]{plain(name)}: not loaded[/] (cause: {variant.problem.cause})")
        say(variant.problem.message)
        say(variant.problem.traceback)
        return
    say(f"{name}: {variant.title}{f' ({variant.class_name})' if variant.class_name else ''}")
    show_findings(variant.findings)
    for number, finding in enumerate(to_change(variant), start=1):
        source = finding.where[0].source if finding.where else ""
        at = f" at {plain(source)}" if source else ""
        screen.print(f"{number}. [bold]{finding.rule}[/]{at}: {plain(finding.help)}", soft_wrap=True)
    for note in (*variant.taken_in, *variant.facts.warnings):
        say(f"note: {note}")


def _points(finding: Finding) -> str:
    return f"{'–' if finding.points is None else finding.points}/{finding.max_points}"
