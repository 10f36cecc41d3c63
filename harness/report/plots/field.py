"""The receptive field: what one position of the last feature map can see, and what of it counts."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from harness.report.plots.sources import SHARE, EffectiveField, Interval, effective_square
from harness.report.plots.style import INK, MAP, bare, plain, png_of, styled

MARGIN_PX = 3
"""Shown around the larger of the square and the image."""


def draw_receptive_field(field: EffectiveField, title: str, image: NDArray[np.uint8] | None = None) -> bytes:
    """Draw the effective receptive field as a map of brightness, and the theoretical one as a square.

    The gradient is drawn on a root scale: its tails would be invisible otherwise. With an `image`
    (H, W, C) of the network's own size, a second panel shows both squares over it.
    """
    panels = 1 if image is None else 2
    with styled():
        figure = Figure(figsize=(4.5 * panels + 0.8, 5.2))
        figure.suptitle(plain(title, 45 * panels), x=0.02, ha="left", fontsize=10)
        if image is not None:
            _draw_over_image(figure.add_subplot(1, panels, 1), field, image)
        _draw_heat(figure, figure.add_subplot(1, panels, panels), field)
        across, down = effective_square(field.heat, field.rows, field.columns)
        handles = [
            Rectangle((0, 0), 1, 1, fill=False, edgecolor=INK, linestyle=line, linewidth=1.4, label=label)
            for line, label in (
                ("solid", f"theoretical: {_size(field.rows[1], field.columns[1])}"),
                ("dashed", f"{SHARE:.0%} of the gradient: {_size(down[1], across[1])}".replace("%", " %", 1)),
            )
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
        return png_of(figure)


# Private functions


def _draw_heat(figure: Figure, axes: Axes, field: EffectiveField) -> None:
    axes.grid(visible=False)
    axes.set_facecolor(colormaps[MAP](0.0))
    shown = np.sqrt(np.asarray(field.heat))
    image = axes.imshow(
        shown, cmap=MAP, vmin=0, vmax=1, interpolation="nearest", extent=_extent(field, shown)
    )
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02, ticks=[0, 0.1**0.5, 0.5**0.5, 1])
    bar.ax.set_yticklabels(["0", "0.1", "0.5", "1"])
    bar.set_label("mean |gradient|, relative")
    height, width = field.image[2:]
    axes.add_patch(
        _rectangle((0, width), (0, height), fill=False, edgecolor="white", linestyle="dotted", linewidth=1)
    )
    _squares(axes, field, "white")
    _limit(axes, field)
    axes.set_xlabel("column of the image (dotted), px")
    axes.set_ylabel("row, px")


def _draw_over_image(axes: Axes, field: EffectiveField, image: NDArray[np.uint8]) -> None:
    """Show the image where the position sees it; the rest of the square is padding."""
    bare(axes)
    height, width = field.image[2:]
    columns, rows = _placed(field.columns, field, 1), _placed(field.rows, field, 0)
    axes.add_patch(_rectangle(columns, rows, facecolor="#E6E6E6", edgecolor="none", zorder=0))
    axes.imshow(image, interpolation="nearest", zorder=1)
    _squares(axes, field, INK)
    _limit(axes, field)
    axes.set_xlabel(f"a test image of {height} x {width} px; grey is padding")


def _squares(axes: Axes, field: EffectiveField, color: str) -> None:
    """Draw both squares; a line of the other brightness below keeps them visible on any ground."""
    other = INK if color == "white" else "white"
    across, down = effective_square(field.heat, field.rows, field.columns)
    for seen, line in (((field.columns, field.rows), "solid"), ((across, down), "dashed")):
        columns, rows = _placed(seen[0], field, 1), _placed(seen[1], field, 0)
        if line == "dashed":
            axes.add_patch(_rectangle(columns, rows, fill=False, edgecolor=other, linewidth=1.4, alpha=0.7))
        axes.add_patch(_rectangle(columns, rows, fill=False, edgecolor=color, linestyle=line, linewidth=1.4))


def _limit(axes: Axes, field: EffectiveField) -> None:
    """Show the theoretical square and the image, with a little room around."""
    height, width = field.image[2:]
    columns, rows = _placed(field.columns, field, 1), _placed(field.rows, field, 0)
    axes.set_xlim(min(0, columns[0]) - MARGIN_PX - 0.5, max(width, sum(columns)) + MARGIN_PX - 0.5)
    axes.set_ylim(max(height, sum(rows)) + MARGIN_PX - 0.5, min(0, rows[0]) - MARGIN_PX - 0.5)


def _placed(interval: Interval, field: EffectiveField, axis: int) -> Interval:
    """Count pixels from the corner of the image (0: rows, 1: columns)."""
    return interval[0] - field.image[axis], interval[1]


def _extent(field: EffectiveField, heat: NDArray[np.float64]) -> tuple[float, float, float, float]:
    top, left = -field.image[0] - 0.5, -field.image[1] - 0.5
    return left, left + heat.shape[1], top + heat.shape[0], top


def _rectangle(columns: Interval, rows: Interval, **look: object) -> Rectangle:
    return Rectangle((columns[0] - 0.5, rows[0] - 0.5), columns[1], rows[1], **{"zorder": 3, **look})  # type: ignore[arg-type]


def _size(height: float, width: float) -> str:
    return f"{height:g} x {width:g} px"
