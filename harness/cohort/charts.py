"""Geometry of the drawings of a class, as plain numbers: how accuracies spread, and what parameters buy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from harness.cohort.store.models import Row
from harness.report.charts import BOTTOM, LEFT, RIGHT, TOP, Tick, nice_ticks, scale

MOST_BARS = 24
_WIDTHS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Widths of a bar, in percentage points."""


@dataclass(frozen=True)
class Bar:
    """The number of networks that reach an accuracy from `low` to `high` percent."""

    x: float
    y: float
    width: float
    height: float
    says: str


@dataclass(frozen=True)
class Dot:
    """One network of the class."""

    x: float
    y: float
    passed: bool
    says: str


@dataclass(frozen=True)
class Drawn:
    """One drawing: bars or dots, the axes, and the assignment's lines (None where it draws none)."""

    title: str
    summary: str
    x_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...] = ()
    dots: tuple[Dot, ...] = ()
    at_x: Tick | None = None
    at_y: Tick | None = None


@dataclass(frozen=True)
class Measured:
    """One network that was trained: percent, its interval, and its parameters."""

    student: str
    accuracy: float
    parameters: int | None
    passed: bool


def measured(rows: Sequence[Row], variant: str) -> tuple[Measured, ...]:
    """List the networks of a variant whose accuracy was measured."""
    return tuple(
        Measured(row.student, 100 * found.facts.accuracy, found.facts.parameters, found.verdict == "passed")
        for row in rows
        if row.record is not None
        and (found := row.record.variants.get(variant)) is not None
        and found.facts.accuracy is not None
    )


def histogram(networks: Sequence[Measured], threshold: float | None) -> Drawn:
    """Count the networks by accuracy; `threshold` is in percent, None where nothing is asked."""
    values = [one.accuracy for one in networks]
    shown = [*values, *_known(threshold)]
    low, high = min(shown), max(shown)
    width = next((w for w in _WIDTHS if (high - low) / w < MOST_BARS - 1), _WIDTHS[-1])
    first, last = math.floor(low / width), math.floor(high / width)
    counts = [0] * (last - first + 1)
    for value in values:
        counts[math.floor(value / width) - first] += 1
    ends = first * width, (last + 1) * width
    x, y = scale(ends, (LEFT, RIGHT)), scale((0, max(counts)), (BOTTOM, TOP))
    bars = tuple(
        Bar(
            x((first + i) * width), y(count), x((first + i + 1) * width) - x((first + i) * width) - 1,
            BOTTOM - y(count), f"{(first + i) * width:g} to {(first + i + 1) * width:g} %: {count}",
        )
        for i, count in enumerate(counts)
        if count
    )  # fmt: skip
    return Drawn(
        "Accuracy of the class",
        f"{len(values)} networks, {min(values):.2f} to {max(values):.2f} %; median {median(values):.2f} %.",
        "test accuracy, percent",
        tuple(Tick(x(value), f"{value:g}") for value in nice_ticks(*ends, 6)),
        tuple(Tick(y(value), f"{value:g}") for value in nice_ticks(0, max(counts), 5) if value == int(value)),
        bars=bars,
        at_x=None if threshold is None else Tick(x(threshold), f"{threshold:g} % asked"),
    )


def scatter(networks: Sequence[Measured], threshold: float | None, below: int | None) -> Drawn:
    """Draw parameters against accuracy; `threshold` is in percent, `below` a number of parameters."""
    known = [(one, one.parameters) for one in networks if one.parameters is not None]
    most = max([*_known(below), *(count for _, count in known)]) * 1.04
    values = [*_known(threshold), *(one.accuracy for one, _ in known)]
    ends = max(0.0, min(values) - 1), min(100.0, max(values) + 1)
    x, y = scale((0, most), (LEFT, RIGHT)), scale(ends, (BOTTOM, TOP))
    dots = tuple(
        Dot(
            x(count),
            y(one.accuracy),
            one.passed,
            f"{one.student}: {one.accuracy:.2f} %, {count:,}",
        )
        for one, count in known
    )
    return Drawn(
        "Parameters against accuracy",
        f"{len(dots)} networks; a full dot has passed, an open one has not.",
        "parameters, thousands",
        tuple(Tick(x(value), f"{value / 1000:g}") for value in nice_ticks(0, most, 6)),
        tuple(Tick(y(value), f"{value:g}") for value in nice_ticks(*ends, 6)),
        dots=dots,
        at_x=None if below is None else Tick(x(below), f"below {below:,}"),
        at_y=None if threshold is None else Tick(y(threshold), f"{threshold:g} % asked"),
    )


# Private functions


def _known(line: float | None) -> list[float]:
    return [] if line is None else [line]
