"""One look for all pictures: fonts, colours, lines, and how a figure becomes bytes."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

mpl.use("Agg")

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#C25400", "#009E73", "#AA4499"
"""Told apart by colour-blind people too; the first two are the page's, the second dark enough for text.

Source: M. Okabe, K. Ito, "Color Universal Design" (2008).
"""
INK, FAINT, RULE = "#222222", "#767676", "#DDDDDD"
MAP = "cividis"
LINES: tuple[tuple[str, str, str], ...] = (
    (BLUE, "solid", "o"),
    (VERMILION, "dashed", "s"),
    (GREEN, "dashdot", "^"),
    (PURPLE, "dotted", "D"),
)
"""Colour, line style and marker of the first, second ... line of a picture."""

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a name with dollar signs is not a formula
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.6,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.h_pad": 0.08,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of all pictures, whatever the user's matplotlib is set to."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def png_of(figure: Figure) -> bytes:
    """Return a figure as a PNG without a clock or a version in it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def bare(axes: Axes) -> None:
    """Remove from the axes all but what is drawn on them."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def plain(text: str, longest: int = 60) -> str:
    """Make a submission's text harmless in a picture: printable ASCII on one line, cut in the middle."""
    shown = "".join(c if c.isascii() and c.isprintable() else "?" for c in " ".join(text.split()))
    if len(shown) <= longest:
        return shown
    half = (longest - 3) // 2
    return f"{shown[:half]}...{shown[-half:]}"
