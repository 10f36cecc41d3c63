"""The terminal: where lines go, and progress as bars, or as plain lines where there is no terminal.

Everything goes to standard error, so that ``--json -`` has standard output to itself.
"""

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.report.visible import visible
from harness.training.events import (
    ContinuedEvent,
    DataEvent,
    DownloadEvent,
    EpochEvent,
    EstimatedEvent,
    Event,
    SlowerEvent,
    StepEvent,
)

if TYPE_CHECKING:  # a command loads what it shows
    from harness.pipeline.task import Stage

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
