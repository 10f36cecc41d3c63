"""Accuracy and loss by epoch, of one training or of several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.record.trainings import EpochLog, Training
from harness.report.plots.style import FAINT, INK, LINES, plain, png_of, styled

_SIZE = (6.4, 4.0)
_PREVIEW = "preview on the embedded set, not a grade"


@dataclass(frozen=True)
class Curve:
    """One line: its values by epoch, counted from 1, and its place in the order of styles."""

    label: str
    values: Sequence[float]
    style: int


def draw_accuracy(training: Training, title: str, threshold: float | None) -> bytes:
    """Draw training and test accuracy by epoch, the threshold, and the last epoch with its interval.

    `threshold` is a share in [0, 1]; None leaves it out.
    """
    with styled():
        figure, axes = _accuracy(training.epochs, _named(title, training), threshold)
        _stages(axes, training)
        _last_epoch(axes, training)
        axes.legend(loc="lower right")
        return png_of(figure)


def draw_loss(training: Training, title: str) -> bytes:
    """Draw training and test loss by epoch."""
    with styled():
        figure, axes = _loss(training.epochs, _named(title, training))
        _stages(axes, training)
        axes.legend(loc="upper right")
        return png_of(figure)


def draw_accuracy_so_far(epochs: Sequence[EpochLog], title: str, threshold: float | None) -> bytes:
    """Draw training and test accuracy of a training that goes on, as `draw_accuracy`."""
    with styled():
        figure, axes = _accuracy(epochs, f"{title}, epoch {len(epochs)}", threshold)
        axes.legend(loc="lower right")
        return png_of(figure)


def draw_loss_so_far(epochs: Sequence[EpochLog], title: str) -> bytes:
    """Draw training and test loss of a training that goes on."""
    with styled():
        figure, axes = _loss(epochs, f"{title}, epoch {len(epochs)}")
        axes.legend(loc="upper right")
        return png_of(figure)


def draw_combined_accuracy(trainings: Mapping[str, Training], threshold: float | None) -> bytes:
    """Draw the test accuracy of several trainings, by name."""
    curves = [
        Curve(_named(name, t), [100 * e.test_acc for e in t.epochs], i)
        for i, (name, t) in enumerate(trainings.items())
    ]
    with styled():
        figure, axes = _figure("Test accuracy by variant", "accuracy on the test images, %")
        _draw(axes, curves)
        _threshold(axes, threshold)
        axes.legend(loc="lower right")
        return png_of(figure)


def draw_combined_loss(trainings: Mapping[str, Training]) -> bytes:
    """Draw the test loss of several trainings, by name."""
    curves = [
        Curve(_named(name, t), [e.test_loss for e in t.epochs], i)
        for i, (name, t) in enumerate(trainings.items())
    ]
    with styled():
        figure, axes = _figure("Test loss by variant", "mean cross-entropy on the test images")
        _draw(axes, curves)
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper right")
        return png_of(figure)


# Private functions


def _accuracy(epochs: Sequence[EpochLog], title: str, threshold: float | None) -> tuple[Figure, Axes]:
    train = Curve("train (augmented)", [100 * e.train_acc for e in epochs], 1)
    test = Curve("test", [100 * e.test_acc for e in epochs], 0)
    figure, axes = _figure(title, "accuracy, %")
    _draw(axes, [test, train])
    _threshold(axes, threshold)
    return figure, axes


def _loss(epochs: Sequence[EpochLog], title: str) -> tuple[Figure, Axes]:
    train = Curve("train (augmented)", [e.train_loss for e in epochs], 1)
    test = Curve("test", [e.test_loss for e in epochs], 0)
    figure, axes = _figure(title, "mean cross-entropy")
    _draw(axes, [test, train])
    axes.set_ylim(bottom=0)
    return figure, axes


def _figure(title: str, what: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE)
    axes = figure.add_subplot()
    axes.set_title(plain(title, 90))
    axes.set_xlabel("epoch")
    axes.set_ylabel(what)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure, axes


def _draw(axes: Axes, curves: Sequence[Curve]) -> None:
    for curve in curves:
        color, line, marker = LINES[curve.style % len(LINES)]
        epochs = range(1, len(curve.values) + 1)
        # About ten markers a line: enough to tell it apart, few enough to see it.
        every = max(1, len(curve.values) // 10)
        axes.plot(
            epochs,
            curve.values,
            color=color,
            linestyle=line,
            marker=marker,
            markevery=every,
            label=curve.label,
        )
    longest = max(len(curve.values) for curve in curves)
    axes.set_xlim(0.5, longest + 0.5)


def _threshold(axes: Axes, threshold: float | None) -> None:
    if threshold is None:
        return
    # Room above the line: a threshold at the very edge of a picture is easily missed.
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, 0), min(max(top + 2, 100 * threshold + 5), 101))
    axes.axhline(100 * threshold, color=INK, linewidth=0.9, linestyle=(0, (1, 2)), gid="threshold")
    axes.annotate(
        f"required: {100 * threshold:g} %",
        (0.012, 100 * threshold),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        fontsize=8,
    )


def _last_epoch(axes: Axes, training: Training) -> None:
    """Mark the accuracy that counts, with its 95 % interval."""
    low, high = training.accuracy_interval
    last, accuracy = len(training.epochs), 100 * training.accuracy
    axes.errorbar(
        [last],
        [accuracy],
        yerr=[[accuracy - 100 * low], [100 * high - accuracy]],
        color=INK,
        capsize=3,
        elinewidth=1,
        zorder=5,
    )
    axes.annotate(
        f"{accuracy:.2f} % after the last epoch",
        (last, 100 * high),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right" if last > 1 else "center",
        fontsize=8,
        fontweight="bold",
    )


def _stages(axes: Axes, training: Training) -> None:
    """Mark where training goes on with larger images, which the curves show as steps."""
    stages: Sequence[Mapping[str, Any]] = training.recipe.get("stages") or ()
    # A note may say that the network was not trained at these sizes.
    if not stages or training.notes:
        return
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(0, bottom - 0.07 * (top - bottom)), top)
    first = 1
    for stage in stages:
        _stage(axes, first, f"{'trained at ' if first == 1 else ''}{stage['size_px']} px")
        first += int(stage["epochs"])
        if first > len(training.epochs):
            return
        axes.axvline(first - 0.5, color=FAINT, linewidth=0.6)
    _stage(axes, first, "full size")


def _stage(axes: Axes, first: int, label: str) -> None:
    axes.annotate(
        label,
        (first - 0.5, 0),
        xycoords=("data", "axes fraction"),
        xytext=(4, 4),
        textcoords="offset points",
        color=FAINT,
        fontsize=7.5,
    )


def _named(name: str, training: Training) -> str:
    return f"{name} ({_PREVIEW})" if training.data.name == "mini" else name
