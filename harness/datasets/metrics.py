"""Metrics that need the test labels: loss, confusion matrix, and mistakes to show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

# What computes them needs NumPy; what reads them in a record does not.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Confusion = Sequence[Sequence[int]]
"""A confusion matrix: ``confusion[i][j]`` counts images of class i that were called class j."""

IMAGES = 16
"""Images of each kind that are shown."""


@dataclass(frozen=True)
class Metrics:
    """Mean cross-entropy, and ``confusion[i][j]``: images of class i called class j."""

    loss: float
    confusion: tuple[tuple[int, ...], ...]

    @property
    def correct(self) -> int:
        """Images called by their own class."""
        return correct_of(self.confusion)

    @property
    def total(self) -> int:
        """Images measured."""
        return total_of(self.confusion)


def correct_of(confusion: Confusion) -> int:
    """Count the images that were called by their own class."""
    return sum(row[i] for i, row in enumerate(confusion))


def total_of(confusion: Confusion) -> int:
    """Count the images."""
    return sum(map(sum, confusion))


def measure(labels: "NDArray[np.int64]", logits: "NDArray[np.float32]") -> Metrics:
    """Compare logits (N, classes) with labels (N,); computed in float64."""
    import numpy as np

    classes = logits.shape[1]
    exact = logits.astype(np.float64)
    largest = exact.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # infinite logits give a loss that is not a number, which is said
        log_total = np.log(np.exp(exact - largest).sum(axis=1)) + largest[:, 0]
        losses = log_total - exact[np.arange(len(labels)), labels]
    cells = np.bincount(labels * classes + logits.argmax(axis=1), minlength=classes * classes)
    rows = cells.reshape(classes, classes).tolist()
    return Metrics(loss=float(losses.mean()), confusion=tuple(tuple(row) for row in rows))


def classified(
    images: "NDArray[np.uint8]", labels: "NDArray[np.int64]", logits: "NDArray[np.float32]"
) -> "dict[str, NDArray[Any]]":
    """Choose test images (N, H, W, C) by what a network made of them; `logits` are (N, classes).

    ``test_*`` are evenly spaced in the split, ``wrong_*`` those it got wrong with the highest
    probability. Of each: ``indices`` in the split (int64), ``images`` (N, H, W, C) uint8, ``labels``
    (int64) and ``probabilities`` (N, classes) float32.
    """
    import numpy as np

    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    predicted = logits.argmax(axis=1)
    (wrong,) = np.nonzero(predicted != labels)
    confidence = probabilities[wrong, predicted[wrong]]
    chosen = {
        "test": np.arange(min(IMAGES, len(labels))) * max(len(labels) // IMAGES, 1),
        "wrong": wrong[np.argsort(-confidence, kind="stable")][:IMAGES],
    }
    return {
        f"{kind}_{what}": values
        for kind, indices in chosen.items()
        for what, values in {
            "indices": indices.astype(np.int64),
            "images": images[indices],
            "labels": labels[indices],
            "probabilities": probabilities[indices],
        }.items()
    }
