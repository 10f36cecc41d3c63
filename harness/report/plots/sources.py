"""The files that pictures are drawn from: their names, and what is in them as data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from harness.base.files import write_text

SAMPLES = "samples.npz"
"""In a variant's folder: images that show what its training did."""
EFFECTIVE_FIELD = "effective_field.json"
ARCHITECTURE = "architecture.json"

SHARE = 0.95
"""The effective receptive field is shown as the square that holds this share of the gradient."""
Interval = tuple[float, float]
"""First pixel and length."""
Weights = Literal["initial", "trained"]


class EffectiveField(BaseModel):
    """The mean absolute input gradient of one position, and the interval it can see, in pixels.

    `heat` is rows of pixels, its largest value 1; `rows` and `columns` are (first pixel, length), and
    may reach beyond it. `image` is (first row, first column, height, width) of the network's own image
    around that position, placed so that the position is the one nearest to the middle of that image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    heat: tuple[tuple[float, ...], ...]
    rows: tuple[float, float]
    columns: tuple[float, float]
    image: tuple[float, float, int, int]
    weights: Weights = "initial"


def write_effective_field(folder: Path, field: EffectiveField | None) -> None:
    """Write ``effective_field.json`` into a variant's folder, the heat with six decimals; None removes it."""
    if field is None:
        (folder / EFFECTIVE_FIELD).unlink(missing_ok=True)
        return
    heat = tuple(tuple(round(value, 6) for value in row) for row in field.heat)
    write_text(folder / EFFECTIVE_FIELD, field.model_copy(update={"heat": heat}).model_dump_json() + "\n")


def read_effective_field(folder: Path) -> EffectiveField | None:
    """Read what `write_effective_field` wrote; None where there is none."""
    path = folder / EFFECTIVE_FIELD
    return EffectiveField.model_validate_json(path.read_bytes()) if path.is_file() else None


@dataclass(frozen=True)
class Classified:
    """Test images (N, H, W, C) uint8, labels (N,), probabilities (N, classes), places in the split (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    indices: NDArray[np.int64]

    @property
    def predictions(self) -> NDArray[np.int64]:
        """The class of the highest probability, the first of equal ones."""
        predictions: NDArray[np.int64] = self.probabilities.argmax(1).astype(np.int64)
        return predictions


@dataclass(frozen=True)
class Augmented:
    """Training images (N, H, W, C) uint8, labels (N,), and what epochs make of them (N, epochs, H, W, C)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    augmented: NDArray[np.uint8]


@dataclass(frozen=True)
class Samples:
    """The content of ``samples.npz``; `test` and `wrong` are None where nothing was trained."""

    train: Augmented
    test: Classified | None = None
    wrong: Classified | None = None


def read_samples(path: Path) -> Samples:
    """Read ``samples.npz``: arrays only, nothing is unpickled; grey images come out as RGB.

    Raises:
        OSError, ValueError, KeyError: no such file, or not such a file.
    """
    with np.load(path, allow_pickle=False) as file:
        train = Augmented(_rgb(file["train_images"]), file["train_labels"], _rgb(file["train_augmented"]))
        found = {
            kind: Classified(
                _rgb(file[f"{kind}_images"]),
                file[f"{kind}_labels"],
                file[f"{kind}_probabilities"],
                file[f"{kind}_indices"],
            )
            for kind in ("test", "wrong")
            if f"{kind}_images" in file
        }
    return Samples(train, **found)


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


# Private functions


def _rgb(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
