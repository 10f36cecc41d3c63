"""The progress of trainings, for whoever looks on: a file that gets a line when something happens.

It is no result: a line that cannot be written is left out, and half a line is not read.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Annotated, Literal, Union

from pydantic import Field, TypeAdapter, ValidationError

from harness.base.tables import Table
from harness.record.trainings import EpochLog
from harness.training.events import EpochEvent

PROGRESS = "progress.jsonl"
"""In a variant's folder: what its training has written so far."""
How = Literal["trained", "diverged", "stopped"]
RECENT = 3
"""Epochs by which the time that is left is told: those of a training that grows its images get longer."""


class Begun(Table):
    """A training begins. `resumed`: it goes on with the epochs that were written before."""

    line: Literal["begun"] = "begun"
    variant: str
    seed: int
    epochs: int
    resumed: bool
    at: float
    """Seconds since 1970, as in all lines."""


class EpochDone(Table):
    """An epoch has ended."""

    line: Literal["epoch"] = "epoch"
    log: EpochLog
    seconds: float
    at: float


class Ended(Table):
    """A training has come to its end, its loss is no number any more, or it was stopped."""

    line: Literal["ended"] = "ended"
    how: How
    at: float


Line = Annotated[Union[Begun, EpochDone, Ended], Field(discriminator="line")]
_LINE: TypeAdapter[Line] = TypeAdapter(Line)


@dataclass(frozen=True)
class Progress:
    """One training: the epochs it has, of how many, and when it was last heard of."""

    variant: str
    seed: int
    epochs: int
    heard_at: float
    log: tuple[EpochLog, ...] = ()
    seconds: tuple[float, ...] = ()
    ended: How | None = None
    """None: it goes on, or was killed."""

    @property
    def left_s(self) -> float | None:
        """Seconds that its last epochs let expect until its end; None before the first one."""
        if self.ended:
            return 0.0
        return (self.epochs - len(self.log)) * mean(self.seconds[-RECENT:]) if self.seconds else None


class ProgressLog:
    """Writes the lines of one training to a file that others may have written to before."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, variant: str, seed: int, epochs: int, *, resumed: bool) -> None:
        """Write that a training begins."""
        self._write(Begun(variant=variant, seed=seed, epochs=epochs, resumed=resumed, at=time.time()))

    def epoch(self, event: EpochEvent) -> None:
        """Write an epoch that has ended."""
        self._write(EpochDone(log=event.log, seconds=event.seconds, at=time.time()))

    def end(self, how: How) -> None:
        """Write that the training has ended."""
        self._write(Ended(how=how, at=time.time()))

    def _write(self, line: Line) -> None:
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line.model_dump_json() + "\n")


def read_progress(path: Path) -> tuple[Progress, ...]:
    """Read the trainings of a file, of each variant and seed the last one; none where there is no file."""
    found: dict[tuple[str, int], Progress] = {}
    now = ("", 0)
    for line in _lines(path):
        if isinstance(line, Begun):
            now = line.variant, line.seed
            new = Progress(line.variant, line.seed, line.epochs, line.at)
            before = found.pop(now, new) if line.resumed else new
            found.pop(now, None)
            found[now] = replace(new, log=before.log, seconds=before.seconds)
        elif now in found:
            found[now] = _followed(found[now], line)
    return tuple(found.values())


# Private functions


def _lines(path: Path) -> Iterator[Line]:
    try:
        text = path.read_bytes()
    except OSError:
        return
    for line in text.splitlines():
        with suppress(ValidationError):
            yield _LINE.validate_json(line)


def _followed(progress: Progress, line: EpochDone | Ended) -> Progress:
    if isinstance(line, Ended):
        return replace(progress, heard_at=line.at, ended=line.how)
    kept = line.log.epoch - 1  # a training that goes on may repeat epochs that were written before it ended
    return replace(
        progress,
        heard_at=line.at,
        log=(*progress.log[:kept], line.log),
        seconds=(*progress.seconds[:kept], line.seconds),
    )
