"""Geometry of the page's drawings, as plain numbers; the templates turn them into SVG.

Coordinates are those of the drawing's view box: x to the right, y down, one unit about one CSS pixel.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.record.facts import ReceptiveFieldRow
from harness.record.trainings import EpochLog, Training, in_percent, mean_accuracy

WIDTH, HEIGHT = 400, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 348, 12, 206
STRIP_HEIGHT = 66
_LABEL_GAP = 14


@dataclass(frozen=True)
class Tick:
    """A place on an axis, and what is written there."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """One line of a chart; `label_y` keeps the names of two lines apart."""

    name: str
    points: tuple[tuple[float, float], ...]
    label_y: float


@dataclass(frozen=True)
class Chart:
    """Two lines over the epochs, and a threshold where there is one."""

    title: str
    summary: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    threshold: Tick | None = None


@dataclass(frozen=True)
class Strip:
    """A measured share, its interval and the threshold on one axis."""

    summary: str
    low: float
    at: float
    high: float
    threshold: float
    threshold_label: str
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Square:
    """The part of the image that one layer sees: a square around its middle, in the image's pixels."""

    layer: str
    side: int
    jump: int
    corner: float


@dataclass(frozen=True)
class FieldView:
    """The image's side, the squares of all layers, and the view box that holds all: (first x and y, side)."""

    image_px: int
    squares: tuple[Square, ...]
    first: float
    side: float


def accuracy_chart(epochs: Sequence[EpochLog], threshold: float | None, of: int = 0) -> Chart:
    """Return the chart of training and test accuracy in percent; `threshold` is a share in [0, 1].

    `of` is the number of epochs of a training that goes on: there is room for those to come.
    """
    series = {
        "train": [100 * epoch.train_acc for epoch in epochs],
        "test": [100 * epoch.test_acc for epoch in epochs],
    }
    wanted = None if threshold is None else 100 * threshold
    values = [*series["train"], *series["test"], *([] if wanted is None else [wanted])]
    last = epochs[-1]
    summary = (
        f"After epoch {last.epoch}: {in_percent(last.train_acc)} % of the training images and "
        f"{in_percent(last.test_acc)} % of the test images."
    )
    low, high = max(0.0, min(values) - 2), min(100.0, max(values) + 2)
    return _chart("Accuracy by epoch, percent", summary, series, (low, high), wanted, of)


def loss_chart(training: Training) -> Chart:
    """Return the chart of training and test loss."""
    series = {
        "train": [epoch.train_loss for epoch in training.epochs],
        "test": [epoch.test_loss for epoch in training.epochs],
    }
    last = training.epochs[-1]
    summary = (
        f"After epoch {last.epoch}: {last.train_loss:.3f} in training, {last.test_loss:.3f} on the test set."
    )
    top = 1.05 * max(max(values) for values in series.values())
    return _chart("Loss by epoch", summary, series, (0.0, top or 1.0), None)


def accuracy_strip(trainings: Sequence[Training], threshold: float) -> Strip:
    """Return the accuracy, of several trainings the mean, with its 95 % interval against the threshold."""
    share, (low, high) = mean_accuracy(trainings)
    reach = max(abs(high - threshold), abs(threshold - low), 0.02) * 1.15
    ends = 100 * max(0.0, threshold - reach), 100 * min(1.0, threshold + reach)
    x = scale(ends, (16, WIDTH - 16))
    margin = 100 * (share - threshold)
    return Strip(
        summary=f"{in_percent(share)} %, 95 % interval {in_percent(low)} to {in_percent(high)} %, "
        f"{abs(margin):.2f} points {'above' if margin >= 0 else 'below'} the line of {100 * threshold:g} %.",
        low=x(100 * low),
        at=x(100 * share),
        high=x(100 * high),
        threshold=x(100 * threshold),
        threshold_label=f"{100 * threshold:g} % asked",
        ticks=tuple(Tick(x(value), f"{value:g}") for value in nice_ticks(*ends, 6)),
    )


def field_view(rows: Sequence[ReceptiveFieldRow], image_px: int) -> FieldView:
    """Place each layer's square around the middle of an image of `image_px` squared."""
    squares = tuple(Square(r.layer, r.rf_out, r.jump_out, (image_px - r.rf_out) / 2) for r in rows)
    side = max([image_px, *(square.side for square in squares)])
    margin = 0.04 * side
    return FieldView(image_px, squares, (image_px - side) / 2 - margin, side + 2 * margin)


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """List at most `most` round numbers between two ends, evenly spaced."""
    if not low < high:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    steps = [factor * power for factor in (1, 2, 5, 10)]
    inside = [(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)) for step in steps]
    chosen = next((i for i, (first, last) in enumerate(inside) if last - first < most), -1)
    first, last = inside[chosen]
    return [round(i * steps[chosen], 10) for i in range(first, last + 1)]


def scale(ends: tuple[float, float], to: tuple[float, float]) -> Callable[[float], float]:
    """Map one interval onto another, linearly."""
    (low, high), (first, last) = ends, to
    return lambda value: round(first + (value - low) / (high - low) * (last - first), 2)


# Private functions


def _chart(
    title: str,
    summary: str,
    series: dict[str, list[float]],
    ends: tuple[float, float],
    wanted: float | None,
    of: int = 0,
) -> Chart:
    epochs = max(of, len(series["train"]))
    x, y = scale((1, max(epochs, 2)), (LEFT, RIGHT)), scale(ends, (BOTTOM, TOP))
    points = {
        name: tuple((x(epoch), y(value)) for epoch, value in enumerate(values, 1))
        for name, values in series.items()
    }
    label_y = _apart({name: line[-1][1] for name, line in points.items()})
    return Chart(
        title,
        summary,
        lines=tuple(Line(name, line, label_y[name]) for name, line in points.items()),
        x_ticks=tuple(Tick(x(epoch), str(epoch)) for epoch in _epochs(epochs)),
        y_ticks=tuple(Tick(y(value), f"{value:g}") for value in nice_ticks(*ends, 6)),
        threshold=None if wanted is None else Tick(y(wanted), f"{wanted:g} % asked"),
    )


def _epochs(count: int) -> list[int]:
    """Choose the epochs to write on the axis: the first, the last, round ones in between."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 10**9) if count / step <= 6)
    inner = [epoch for epoch in range(step, count, step) if epoch > step / 2 and count - epoch > step / 2]
    return sorted({1, count, *(epoch for epoch in inner if epoch > 1)})


def _apart(wanted: dict[str, float]) -> dict[str, float]:
    """Move the names of lines that end near each other apart."""
    names = sorted(wanted, key=lambda name: wanted[name])
    upper, lower = names[0], names[-1]
    missing = _LABEL_GAP - (wanted[lower] - wanted[upper])
    if missing <= 0:
        return wanted
    return {upper: wanted[upper] - missing / 2, lower: wanted[lower] + missing / 2}
