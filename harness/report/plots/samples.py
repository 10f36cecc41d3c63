"""Grids of images: test images and what the network called them, training images and their augmentations."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from harness.report.plots.image_file import Augmented, Classified
from harness.report.plots.style import INK, bare, png_of, styled

RIGHT, WRONG = "✓", "✗"
_COLUMNS = 4


def draw_classified(classified: Classified, classes: Sequence[str], title: str) -> bytes:
    """Draw test images with true and predicted label; a wrong one is framed, crossed and in words."""
    rows = -(-len(classified.labels) // _COLUMNS)
    with styled():
        figure = Figure(figsize=(1.75 * _COLUMNS, 0.35 + 2.1 * rows))
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        for i in range(len(classified.labels)):
            axes = figure.add_subplot(rows, _COLUMNS, i + 1)
            _draw_classified(axes, classified, i, classes)
        return png_of(figure)


def draw_augmented(samples: Augmented, classes: Sequence[str], title: str) -> bytes:
    """Draw training images, each beside its augmentations, in two columns."""
    halves = 2 if len(samples.labels) > 1 else 1
    rows = -(-len(samples.labels) // halves)
    epochs = samples.augmented.shape[1]
    with styled():
        figure = Figure(figsize=(halves * (1.0 + 0.8 * (epochs + 1)), 0.62 + 0.83 * rows))
        figure.set_layout_engine("none")
        figure.suptitle(title, x=0.012, y=0.985, ha="left", va="top", fontsize=10)
        # One wide column of labels and one of a gap before each half.
        widths = [1.05, 1, 0.14, *[1] * epochs] * halves
        top = 1 - 0.55 / figure.get_figheight()
        grid = figure.add_gridspec(
            rows, len(widths), width_ratios=widths, left=0.01, right=0.99, bottom=0.01, top=top,
            wspace=0.06, hspace=0.06,
        )  # fmt: skip
        for i in range(len(samples.labels)):
            half, row = divmod(i, rows)
            first = half * (epochs + 3)
            _label(figure.add_subplot(grid[row, first]), classes[samples.labels[i]])
            heading = "original" if row == 0 else ""
            _picture(figure.add_subplot(grid[row, first + 1]), samples.images[i], heading)
            for epoch in range(epochs):
                heading = f"epoch {epoch + 1}" if row == 0 else ""
                _picture(
                    figure.add_subplot(grid[row, first + 3 + epoch]), samples.augmented[i, epoch], heading
                )
        return png_of(figure)


# Private functions


def _draw_classified(axes: Axes, classified: Classified, i: int, classes: Sequence[str]) -> None:
    label, predicted = int(classified.labels[i]), int(classified.predictions[i])
    share = f"{100 * classified.probabilities[i][predicted]:.0f} %"
    bare(axes)
    axes.imshow(classified.images[i], interpolation="nearest")
    if label == predicted:
        axes.set_title(f"{RIGHT} {classes[label]}, {share}", fontsize=8, loc="center")
        return
    text = f"{WRONG} {classes[predicted]}, {share}\ntrue: {classes[label]}"
    axes.set_title(text, fontsize=8, loc="center", fontweight="bold")
    for spine in axes.spines.values():
        spine.set(visible=True, color=INK, linewidth=2.5)


def _label(axes: Axes, text: str) -> None:
    bare(axes)
    axes.text(1, 0.5, text, ha="right", va="center", fontsize=8, transform=axes.transAxes)


def _picture(axes: Axes, image: NDArray[np.uint8], heading: str) -> None:
    bare(axes)
    axes.imshow(image, interpolation="nearest")
    if heading:
        axes.set_title(heading, fontsize=7.5, loc="center", pad=3)
