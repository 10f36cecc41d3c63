"""The format of MNIST and Fashion-MNIST: a header, then a byte for each pixel or label; packed or not."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.datasets.images import Images, Labels, Split, Splits

_SIDE = 28


def digits(paths: Sequence[Path], classes: tuple[str, ...]) -> Splits:
    """Read the four files, packed or not."""
    train, test = (Split(_images(paths[n]), _labels(paths[n + 1])) for n in (0, 2))
    return Splits(train, test, classes)


# Private functions


def _content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _images(path: Path) -> Images:
    pixels = np.frombuffer(_content(path), np.uint8, offset=16)
    return pixels.reshape(-1, _SIDE, _SIDE, 1).copy()  # of memory that may be written to


def _labels(path: Path) -> Labels:
    return np.frombuffer(_content(path), np.uint8, offset=8).astype(np.int64)
