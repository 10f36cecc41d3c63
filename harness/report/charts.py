"""Geometry of charts as plain numbers: templates make SVG of it, `harness.report.plots.curves` PNG.

Coordinates are those of the drawing's view box: x to the right, y down, one unit about one CSS pixel.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.record.facts import ReceptiveFieldRow
from harness.record.trainings import EpochLog, Training, in_percent, mean_accuracy

WIDTH, HEIGHT = 400, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 348, 12, 206
STRIP_HEIGHT = 66
_LABEL_GAP, _LETTER = 14, 6.5
"""Units between the middles of two names, and that a letter takes."""


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
class Interval:
    """The accuracy that counts: its place at the last epoch, and the ends of its 95 % interval."""

    x: float
    y: float
    low: float
    high: float
    label: str


@dataclass(frozen=True)
class Chart:
    """Lines over the epochs, and a threshold, stages and the interval of the last epoch where there are.

    `stages` are where images of another size begin; a label that has no room is left out.
    """

    title: str
    summary: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    threshold: Tick | None = None
    stages: tuple[Tick, ...] = ()
    interval: Interval | None = None


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


def accuracy_chart(
    epochs: Sequence[EpochLog], threshold: float | None, of: int = 0, counts: Training | None = None
) -> Chart:
    """Return the chart of test and training accuracy in percent; `threshold` is a share in [0, 1].

    `of` is the number of epochs of a training that goes on: there is room for those to come. `counts` is the
    training where it has ended: its interval and its stages are marked.
    """
    last = epochs[-1]
    summary = (
        f"After epoch {last.epoch}: {in_percent(last.train_acc)} % of the training images and "
        f"{in_percent(last.test_acc)} % of the test images."
    )
    series = {"test": [100 * e.test_acc for e in epochs], "train": [100 * e.train_acc for e in epochs]}
    interval = () if counts is None else tuple(100 * share for share in counts.accuracy_interval)
    ends = _around([*series["test"], *series["train"], *interval], threshold)
    chart = _chart("Accuracy by epoch, percent", summary, series, ends, of)
    chart = replace(chart, threshold=_asked(threshold, ends))
    if counts is None:
        return chart
    y, (x, at) = scale(ends, (BOTTOM, TOP)), chart.lines[0].points[-1]
    marked = Interval(x, at, y(interval[0]), y(interval[1]), f"{in_percent(counts.accuracy)} %")
    return replace(chart, interval=marked, stages=_stages(counts))


def loss_chart(epochs: Sequence[EpochLog], counts: Training | None = None) -> Chart:
    """Return the chart of test and training loss; `counts` as of `accuracy_chart`."""
    last = epochs[-1]
    summary = (
        f"After epoch {last.epoch}: {last.train_loss:.3f} in training, {last.test_loss:.3f} on the test set."
    )
    series = {"test": [e.test_loss for e in epochs], "train": [e.train_loss for e in epochs]}
    chart = _chart("Loss by epoch, mean cross-entropy", summary, series, _from_zero(series))
    return replace(chart, stages=() if counts is None else _stages(counts))


def combined_charts(trainings: Mapping[str, Training], threshold: float | None) -> tuple[Chart, Chart]:
    """Return test accuracy and test loss of several trainings, by their names."""
    accuracy = {name: [100 * e.test_acc for e in t.epochs] for name, t in trainings.items()}
    loss = {name: [e.test_loss for e in t.epochs] for name, t in trainings.items()}
    ends = _around([value for values in accuracy.values() for value in values], threshold)
    said = [f"{name}: {in_percent(t.epochs[-1].test_acc)} %" for name, t in trainings.items()]
    chart = _chart("Test accuracy by epoch, percent", "; ".join(said), accuracy, ends)
    losses = _chart("Test loss by epoch, mean cross-entropy", "", loss, _from_zero(loss))
    return replace(chart, threshold=_asked(threshold, ends)), losses


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
    title: str, summary: str, series: Mapping[str, Sequence[float]], ends: tuple[float, float], of: int = 0
) -> Chart:
    epochs = max(of, *map(len, series.values()), 1)
    x, y = _across(epochs), scale(ends, (BOTTOM, TOP))
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
    )


def _across(epochs: int) -> Callable[[float], float]:
    return scale((1, max(epochs, 2)), (LEFT, RIGHT))


def _around(percents: Sequence[float], threshold: float | None) -> tuple[float, float]:
    """Return the ends of an axis that holds all percentages and the threshold, with a little room."""
    shown = [*percents, *([] if threshold is None else [100 * threshold])]
    return max(0.0, min(shown) - 4), min(100.0, max(shown) + 2)


def _from_zero(series: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    return 0.0, 1.05 * max(map(max, series.values())) or 1.0


def _asked(threshold: float | None, ends: tuple[float, float]) -> Tick | None:
    if threshold is None:
        return None
    return Tick(scale(ends, (BOTTOM, TOP))(100 * threshold), f"{100 * threshold:g} % asked")


def _stages(training: Training) -> tuple[Tick, ...]:
    """Mark where training goes on with images of another size, which the curves show as steps."""
    stages: Sequence[Mapping[str, Any]] = training.recipe.get("stages") or ()
    # A note may say that the network was not trained at these sizes.
    if not stages or training.notes:
        return ()
    firsts = itertools.accumulate((int(stage["epochs"]) for stage in stages), initial=1)
    labels = [*(f"{stage['size_px']} px" for stage in stages), "full size"]
    x, count = _across(len(training.epochs)), len(training.epochs)
    begun = [
        (x(max(1, first - 0.5)), label) for first, label in zip(firsts, labels, strict=True) if first <= count
    ]
    nexts = [*(at for at, _ in begun[1:]), RIGHT]
    return tuple(
        Tick(at, label if following - at > _LETTER * len(label) + 4 else "")
        for (at, label), following in zip(begun, nexts, strict=True)
    )


def _epochs(count: int) -> list[int]:
    """Choose the epochs to write on the axis: the first, the last, round ones in between."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 10**9) if count / step <= 6)
    inner = [epoch for epoch in range(step, count, step) if epoch > step / 2 and count - epoch > step / 2]
    return sorted({1, count, *(epoch for epoch in inner if epoch > 1)})


def _apart(wanted: Mapping[str, float]) -> dict[str, float]:
    """Move the names of lines that end near each other apart, each by half of what is missing."""
    names = sorted(wanted, key=lambda name: wanted[name])
    upper, lower = names[0], names[-1]
    missing = _LABEL_GAP - (wanted[lower] - wanted[upper])
    if missing <= 0:
        return dict(wanted)
    return {upper: wanted[upper] - missing / 2, lower: wanted[lower] + missing / 2}
