"""Make the embedded sample of a data set: two lossless mosaics of the first images of each class.

    python benchmarks/make_mini.py mnist harness/datasets/mini/mnist --train 500 --test 100

Prints the SHA-256 of each file, which belongs into the data set's `Miniature`.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from harness.datasets.images import Images, Split
from harness.datasets.loading import load_data
from harness.datasets.spec import DataSpec

COLUMNS = 100


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=500, help="training images a class")
    parser.add_argument("--test", type=int, default=100, help="test images a class")
    asked = parser.parse_args()
    data = load_data(DataSpec(dataset=asked.dataset), None, lambda *_: None)
    assert isinstance(data.test, Split)
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name, split, count in (("train", data.train, asked.train), ("test", data.test, asked.test)):
        path = asked.folder / f"{name}.webp"
        mosaic(first(split, count)).save(path, lossless=True, quality=100, method=6)
        print(path, f"{path.stat().st_size:,} bytes", hashlib.sha256(path.read_bytes()).hexdigest())


def first(split: Split, count: int) -> Images:
    """Take the first `count` images of each class."""
    places = [np.flatnonzero(split.labels == label)[:count] for label in np.unique(split.labels)]
    return split.images[np.concatenate(places)]


def mosaic(images: Images) -> Image.Image:
    """Lay images (N, H, W, C) out in rows of `COLUMNS`."""
    _, height, width, channels = images.shape
    rows = images.reshape(-1, COLUMNS, height, width, channels).swapaxes(1, 2)
    pixels = np.ascontiguousarray(rows.reshape(-1, COLUMNS * width, channels))
    return Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels)


if __name__ == "__main__":
    main()
