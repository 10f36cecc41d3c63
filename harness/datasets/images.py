"""Images and labels in memory, and their shape."""

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
    """The splits read from files; label i is of class ``classes[i]``. `test` is None where there is none."""

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


_LUMA = np.array([19_595, 38_470, 7_471], dtype=np.uint32)
"""Shares of red, green and blue in grey, in 65,536ths. Source: ITU-R BT.601, as Pillow rounds it."""


def shaped(images: Images, shape: Shape) -> Images:
    """Resize images (N, H, W, C) and turn them grey or into RGB, so that one is of `shape` (C, H, W)."""
    channels, height, width = shape
    if images.shape[3] != channels:
        images = _in_grey(images) if channels == 1 else np.repeat(images, channels, axis=3)
    return images if images.shape[1:3] == (height, width) else _resized(images, height, width)


# Private functions


def _in_grey(images: Images) -> Images:
    grey: Images = ((images.astype(np.uint32) @ _LUMA + 0x8000) >> 16).astype(np.uint8)
    return grey[..., None]


def _resized(images: Images, height: int, width: int) -> Images:
    """Resize by averages of neighbours (a triangle filter that grows as the image shrinks)."""
    from PIL import Image  # takes a while, and most data has its size

    out = np.empty((len(images), height, width, images.shape[3]), np.uint8)
    for row, image in enumerate(images):
        picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
        smaller = picture.resize((width, height), Image.Resampling.BILINEAR)
        out[row] = np.asarray(smaller).reshape(out.shape[1:])
    return out
