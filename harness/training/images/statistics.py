"""The statistics of a data set in memory, and how a record names it."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.base.files import write_text
from harness.datasets.dataset import PREVIEW
from harness.datasets.images import Data, Images
from harness.record.trainings import DataUsed


@dataclass(frozen=True)
class Stats:
    """Per-channel mean and standard deviation of the training images, as shares of 255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def stats_of(data: Data, cache: Path, *, recompute: bool = False) -> Stats:
    """Return the mean and standard deviation of the training split, read from `cache` if it is of this data.

    A cache of other data, or one that cannot be read, is written anew. An embedded set has none: a
    preview must not replace the statistics of the real data.
    """
    if data.name == PREVIEW:
        return measured(data.train.images)
    cached = None if recompute else _cached(cache, data)
    if cached is not None:
        return cached
    stats = measured(data.train.images)
    content = {"sha256": data.sha256, "mean": stats.mean, "std": stats.std}
    write_text(cache, json.dumps(content, indent=2) + "\n")
    return stats


def measured(images: Images) -> Stats:
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
    """Return which data was used, and how it was normalised, as a record does."""
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


def _cached(cache: Path, data: Data) -> Stats | None:
    try:
        content = json.loads(cache.read_bytes())
        if content["sha256"] != data.sha256:
            return None
        stats = Stats(tuple(map(float, content["mean"])), tuple(map(float, content["std"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    usable = len(stats.mean) == len(stats.std) == data.shape[0]
    usable = usable and all(map(math.isfinite, (*stats.mean, *stats.std)))
    return stats if usable and min(stats.std) > 0 else None
