"""Pictures, drawn with matplotlib from numbers that are already there. Equal numbers give equal bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from harness.files import atomic_file

mpl.use("Agg")

SHARE = 0.95
"""The effective receptive field is shown as the square that holds this share of the gradient."""
_STYLE: Any = {"font.family": "DejaVu Sans", "font.size": 9, "savefig.dpi": 150, "axes.titlesize": 10}


class EffectiveField(Protocol):
    """The mean absolute input gradient of one position, and what it can see."""

    @property
    def heat(self) -> Sequence[Sequence[float]]:
        """Rows of pixels; the largest value is 1."""

    @property
    def rows(self) -> tuple[float, float]:
        """First row that the position can see, and how many."""

    @property
    def columns(self) -> tuple[float, float]:
        """First column, and how many."""


def draw_receptive_field(path: Path, field: EffectiveField, title: str) -> None:
    """Draw the effective receptive field as a map of brightness, and the theoretical one as a square.

    The gradient is drawn on a root scale: its tails would be invisible otherwise.
    """
    heat, rows, columns = field.heat, field.rows, field.columns
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.2, 5.4), layout="constrained")
        axes = figure.add_subplot()
        shown = [[value**0.5 for value in row] for row in heat]
        image = axes.imshow(shown, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
        bar = figure.colorbar(image, ax=axes, fraction=0.046, ticks=[0, 0.1**0.5, 0.5**0.5, 1])
        bar.ax.set_yticklabels(["0", "0.1", "0.5", "1"])
        bar.set_label("mean |gradient| of one position, relative")
        theoretical = f"theoretical: {_size(rows[1], columns[1])}"
        _square(axes, columns, rows, "solid", theoretical)
        across, down = effective_square(heat, rows, columns)
        effective = f"{SHARE:.0%} of the gradient: {_size(down[1], across[1])}"
        _square(axes, across, down, "dashed", effective)
        axes.set_title(title)
        axes.set_xlabel("column of the input image, px")
        axes.set_ylabel("row, px")
        figure.legend(loc="outside lower center", ncols=2, facecolor="0.25", labelcolor="white")
        _save(figure, path)


def effective_square(
    heat: Sequence[Sequence[float]], rows: tuple[float, float], columns: tuple[float, float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Find the smallest square around the middle of the theoretical one that holds `SHARE` of the gradient.

    Returns (first column, length) and (first row, length).
    """
    middle = (rows[0] + (rows[1] - 1) / 2, columns[0] + (columns[1] - 1) / 2)
    total = sum(map(sum, heat))
    distances = sorted(
        (max(abs(i - middle[0]), abs(j - middle[1])), value)
        for i, row in enumerate(heat)
        for j, value in enumerate(row)
    )
    reach, held = 0.0, 0.0
    for distance, value in distances:
        if held >= SHARE * total:
            break
        reach, held = distance, held + value
    side = 2 * reach + 1
    return (middle[1] - reach, side), (middle[0] - reach, side)


# Private functions


def _square(
    axes: Axes, across: tuple[float, float], down: tuple[float, float], line: str, label: str
) -> None:
    corner = (across[0] - 0.5, down[0] - 0.5)
    square = Rectangle(corner, across[1], down[1], fill=False, edgecolor="white", linestyle=line, label=label)
    axes.add_patch(square)


def _size(height: float, width: float) -> str:
    return f"{height:g} x {width:g} px"


def _save(figure: Figure, path: Path) -> None:
    """Write a PNG without a clock or a version in it."""
    with atomic_file(path) as file:
        figure.savefig(file, format="png", metadata={"Software": None})
