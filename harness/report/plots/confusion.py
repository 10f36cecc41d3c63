"""The confusion matrix: counts in the cells, shares of the true class as shade."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from harness.record.trainings import Training
from harness.report.plots.style import MAP, plain, png_of, styled

_GAMMA = 0.5
"""Shares are shaded on a root scale: most confusions are a few percent."""


def draw_confusion(training: Training, title: str) -> bytes:
    """Draw the confusion matrix of the last epoch; rows are true classes."""
    counts, classes = training.confusion, training.data.classes
    shares = normalised(counts)
    side = 1.9 + 0.47 * len(classes)
    with styled():
        figure = Figure(figsize=(side + 0.7, side))
        axes = figure.add_subplot()
        axes.grid(visible=False)
        image = axes.imshow(shares, cmap=MAP, norm=PowerNorm(_GAMMA, 0, 1), interpolation="nearest")
        bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02, ticks=[0, 0.05, 0.25, 0.5, 1])
        bar.ax.set_yticklabels(["0", "5 %", "25 %", "50 %", "100 %"])
        bar.set_label("share of the true class")
        _write(axes, counts, shares)
        places = range(len(classes))
        axes.set_xticks(places, classes, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(places, classes)
        axes.tick_params(length=0)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        for spine in axes.spines.values():
            spine.set_visible(False)
        shown = f"{title}: {100 * training.accuracy:.2f} % of {sum(map(sum, counts)):,} test images right"
        axes.set_title(plain(shown, 90))
        return png_of(figure)


def normalised(counts: Sequence[Sequence[int]]) -> list[list[float]]:
    """Divide every row by its sum; a class without images stays zero."""
    return [[count / (sum(row) or 1) for count in row] for row in counts]


# Private functions


def _write(axes: Axes, counts: Sequence[Sequence[int]], shares: Sequence[Sequence[float]]) -> None:
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            # Light text on dark cells; the shade passes the middle of the map at this share.
            color = "black" if shares[i][j] ** _GAMMA > 0.55 else "white"
            weight = "bold" if i == j else "normal"
            axes.text(
                j, i, f"{count:,}", ha="center", va="center", color=color, fontweight=weight, fontsize=8
            )
