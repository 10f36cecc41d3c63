"""Images and labels in memory, what is measured of them, and the embedded mini set."""

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.errors import DataError
from harness.files import write_text
from harness.record import DataUsed
from harness.training.marks import Marks, classified, mark

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_MINI = Path(__file__).parent / "mini"
_MINI_COLUMNS = 100
_MINI_SHA256 = {
    "train.webp": "ae3d1af7704a9ba8b2a2a8ab39b14b873490ebcff93d2637f55221bb096fa896",
    "test.webp": "8e1e574ae1846d0d7502b53eead29b4ad1ea5005ac423357e1f4fa82fbb3f939",
}
_SIDE = 32


@dataclass(frozen=True)
class Split:
    """Images (N, 32, 32, 3) uint8 RGB and labels (N,) int64."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def mark(self, logits: NDArray[np.float32]) -> Marks:
        """Compare logits (N, classes) with the labels."""
        return mark(self.labels, logits)

    def classified(self, logits: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Choose images by what a network made of them, `logits` (N, classes)."""
        return classified(self.images, self.labels, logits)


class Marked(Protocol):
    """Test images (N, 32, 32, 3) uint8 RGB, and what their labels, which may be elsewhere, say of logits."""

    @property
    def images(self) -> NDArray[np.uint8]:
        """The images."""

    def mark(self, logits: NDArray[np.float32]) -> Marks:
        """Compare logits (N, classes) with the labels."""

    def classified(self, logits: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Choose images by what a network made of them, `logits` (N, classes)."""


@dataclass(frozen=True)
class Data:
    """A data set in memory; `root` is where it was found.

    `digest` is its hash where the labels of the test split are not in this process.
    """

    name: Literal["cifar10", "mini"]
    root: str
    train: Split
    test: Marked
    classes: tuple[str, ...] = CLASSES
    digest: str = ""

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


@dataclass(frozen=True)
class Stats:
    """Per-channel mean and standard deviation of the training images, as shares of 255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_mini(folder: Path = _MINI) -> Data:
    """Load the embedded mini set: 500 training and 100 test images a class, in class order.

    Raises:
        DataError: a mosaic is missing or is not the one that was shipped.
    """
    return Data(
        name="mini",
        root="the embedded mini set",
        train=_mosaic(folder / "train.webp", per_class=500),
        test=_mosaic(folder / "test.webp", per_class=100),
    )


def stats_of(data: Data, cache: Path, *, recompute: bool = False) -> Stats:
    """Mean and standard deviation of the training split, read from `cache` if it is of this data.

    A cache of other data, or one that cannot be read, is written anew. The mini set has none: a
    preview must not replace the statistics of the real data.
    """
    if data.name == "mini":
        return measured(data.train.images)
    cached = None if recompute else _cached(cache, data.sha256)
    if cached is not None:
        return cached
    stats = measured(data.train.images)
    content = {"sha256": data.sha256, "mean": stats.mean, "std": stats.std}
    write_text(cache, json.dumps(content, indent=2) + "\n")
    return stats


def measured(images: NDArray[np.uint8]) -> Stats:
    """Measure (N, H, W, C) uint8 images in float64, from exact counts of the 256 levels."""
    levels = np.arange(256, dtype=np.float64) / 255
    mean, std = [], []
    for channel in range(images.shape[3]):
        shares = np.bincount(images[..., channel].ravel(), minlength=256) / images[..., channel].size
        centre = float(shares @ levels)
        mean.append(centre)
        std.append(math.sqrt(float(shares @ (levels - centre) ** 2)))
    return Stats(tuple(mean), tuple(std))


def used(data: Data, stats: Stats) -> DataUsed:
    """Say which data was used, and how it was normalised, as a record does."""
    return DataUsed(
        name=data.name,
        train_images=len(data.train.labels),
        test_images=len(data.test.images),
        sha256=data.sha256,
        mean=stats.mean,
        std=stats.std,
        classes=data.classes,
    )


# Private functions


def _mosaic(path: Path, per_class: int) -> Split:
    try:
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Install the harness again.") from None
    if actual != _MINI_SHA256[path.name]:
        raise DataError(
            f"{path}: not the file that was shipped; expected SHA-256 {_MINI_SHA256[path.name]}, "
            f"got {actual}. Install the harness again."
        )
    with Image.open(path) as mosaic:
        pixels = np.asarray(mosaic.convert("RGB"))
    rows = pixels.reshape(-1, _SIDE, _MINI_COLUMNS, _SIDE, 3).swapaxes(1, 2)
    images = np.ascontiguousarray(rows.reshape(-1, _SIDE, _SIDE, 3))
    return Split(images, np.arange(len(images), dtype=np.int64) // per_class)


def _cached(cache: Path, sha256: str) -> Stats | None:
    try:
        content = json.loads(cache.read_bytes())
        if content["sha256"] != sha256:
            return None
        stats = Stats(tuple(map(float, content["mean"])), tuple(map(float, content["std"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    usable = len(stats.mean) == len(stats.std) == 3 and all(map(math.isfinite, (*stats.mean, *stats.std)))
    return stats if usable and min(stats.std) > 0 else None
