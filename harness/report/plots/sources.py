"""The files that pictures are drawn from: their names, and what is in them as data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from harness.base.files import write_text
from harness.base.tables import Frozen

SAMPLES = "samples.npz"
"""In a variant's folder: images that show what its training did."""
EFFECTIVE_FIELD = "effective_field.json"
ARCHITECTURE = "architecture.json"

SHARE = 0.95
"""The effective receptive field is shown as the square that holds this share of the gradient."""
Interval = tuple[float, float]
"""First pixel and length."""
Weights = Literal["initial", "trained"]


class EffectiveField(Frozen):
    """The mean absolute input gradient of one position, and the interval it can see, in pixels.

    `heat` is rows of pixels, its largest value 1; `rows` and `columns` are (first pixel, length), and
    may reach beyond it. `image` is (first row, first column, height, width) of the network's own image
    around that position, placed so that the position is the one nearest to the middle of that image.
    """

    heat: tuple[tuple[float, ...], ...]
    rows: tuple[float, float]
    columns: tuple[float, float]
    image: tuple[float, float, int, int]
    weights: Weights = "initial"


def write_effective_field(folder: Path, field: EffectiveField | None) -> None:
    """Write ``effective_field.json`` into a variant's folder; None removes what is there."""
    if field is None:
        (folder / EFFECTIVE_FIELD).unlink(missing_ok=True)
        return
    write_text(folder / EFFECTIVE_FIELD, field.model_dump_json() + "\n")


def read_effective_field(folder: Path) -> EffectiveField | None:
    """Read what `write_effective_field` wrote; None where there is none."""
    path = folder / EFFECTIVE_FIELD
    return EffectiveField.model_validate_json(path.read_bytes()) if path.is_file() else None


def effective_square(
    heat: Sequence[Sequence[float]], rows: Interval, columns: Interval
) -> tuple[Interval, Interval]:
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
