"""The images that show what a training did, as data; `harness.training.images.samples` writes their file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


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


# Private functions


def _rgb(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
