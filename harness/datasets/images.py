"""Images and labels in memory."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.datasets.dataset import Shape
from harness.datasets.metrics import Metrics, classified, measure

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Images (N, H, W, C) uint8, grey or RGB, and labels (N,) int64."""

    images: Images
    labels: Labels

    def measure(self, logits: NDArray[np.float32]) -> Metrics:
        """Compare logits (N, classes) with the labels."""
        return measure(self.labels, logits)

    def classified(self, logits: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Choose images by what a network made of them, `logits` (N, classes)."""
        return classified(self.images, self.labels, logits)


class Measurable(Protocol):
    """Test images (N, H, W, C) uint8, and what their labels, which may be elsewhere, say of logits."""

    @property
    def images(self) -> Images:
        """The images."""

    def measure(self, logits: NDArray[np.float32]) -> Metrics:
        """Compare logits (N, classes) with the labels."""

    def classified(self, logits: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Choose images by what a network made of them, `logits` (N, classes)."""


@dataclass(frozen=True)
class Splits:
    """What was read from files; label i is of class ``classes[i]``. `test` is None where there is none."""

    train: Split
    test: Split | None
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """The data of one training; `root` is where it was found.

    `digest` is its hash where the labels of the test split are not in this process. The images of a
    `secret` test split are never shown.
    """

    name: str
    root: str
    train: Split
    test: Measurable
    classes: tuple[str, ...]
    digest: str = ""
    secret: bool = False

    @property
    def shape(self) -> Shape:
        """(C, H, W) of one image."""
        height, width, channels = self.train.images.shape[1:]
        return channels, height, width

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of all images and labels, training split first."""
        if not isinstance(self.test, Split):
            return self.digest
        sha = hashlib.sha256()
        for split in (self.train, self.test):
            sha.update(np.ascontiguousarray(split.images).data)
            sha.update(np.ascontiguousarray(split.labels).data)
        return sha.hexdigest()
