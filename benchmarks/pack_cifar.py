"""Pack CIFAR-10 into lossless mosaics, as many training images as a limit lets in, and read them again.

    python benchmarks/pack_cifar.py build/cifar10-pack --limit-mib 60

For a machine that can be sent little, and reach nothing: `benchmarks/gpu.py` trains on the pack where
CIFAR-10 itself is not. All test images are in it, and equally many training images of each class, the first
of the official files.
"""

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from make_mini import COLUMNS, mosaic
from PIL import Image

from harness.datasets.cifar10 import CIFAR10
from harness.datasets.images import Data, Images, Split
from harness.datasets.loading import load_data
from harness.datasets.spec import DataSpec

EACH = 2_000
"""Images of a mosaic."""
LABELS = "labels.npz"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit-mib", type=float, default=60, help="of all files together")
    asked = parser.parse_args()
    data = load_data(DataSpec(dataset="cifar10"), None, lambda *_: None)
    assert isinstance(data.test, Split)
    packed = pack(data.train, data.test, asked.folder, int(asked.limit_mib * 2**20))
    size = sum(file.stat().st_size for file in asked.folder.iterdir())
    found = unpack(asked.folder)
    assert isinstance(found.test, Split)
    same = [
        np.array_equal(one, other)
        for mine, theirs in ((packed, found.train), (data.test, found.test))
        for one, other in ((mine.images, theirs.images), (mine.labels, theirs.labels))
    ]
    print(
        f"{asked.folder}: {len(packed.labels):,} training and {len(data.test.labels):,} test images in "
        f"{size / 2**20:.1f} MiB; read again they are {'the same' if all(same) else 'OTHERS'}"
    )


def pack(train: Split, test: Split, folder: Path, limit: int) -> Split:
    """Write all of `test`, and of `train` what `limit` bytes in all let in; return what that is."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.webp"):
        stale.unlink()
    train, count = balanced(train), 0
    left = limit - 8 * (len(train.labels) + len(test.labels))
    for path, content in _mosaics(folder, "test", test):
        left -= path.write_bytes(content)
    for path, content in _mosaics(folder, "train", train):
        left -= len(content)
        if left < 0:
            break
        path.write_bytes(content)
        count += EACH
    packed = Split(train.images[:count], train.labels[:count])
    with (folder / LABELS).open("wb") as file:
        np.savez_compressed(file, train=packed.labels, test=test.labels)
    return packed


def unpack(folder: Path) -> Data:
    """Read a folder that `pack` has written.

    Raises:
        FileNotFoundError: there is none.
    """
    with np.load(folder / LABELS, allow_pickle=False) as labels:
        train, test = (Split(_images(folder, name), labels[name]) for name in ("train", "test"))
    return Data(name="cifar10-pack", root=str(folder), train=train, test=test, classes=CIFAR10.classes)


def balanced(split: Split) -> Split:
    """Put images in an order in which the classes take turns, those of a class in their own order."""
    places = [np.flatnonzero(split.labels == label) for label in np.unique(split.labels)]
    order = np.stack(places, axis=1).ravel()
    return Split(split.images[order], split.labels[order])


# Private functions


def _mosaics(folder: Path, name: str, split: Split) -> Iterator[tuple[Path, bytes]]:
    """Compress the images of a split, as many mosaics as are full."""
    for number in range(len(split.labels) // EACH):
        file = io.BytesIO()
        images = split.images[number * EACH : (number + 1) * EACH]
        mosaic(images).save(file, "webp", lossless=True, quality=100, method=4)
        yield folder / f"{name}_{number:02}.webp", file.getvalue()


def _images(folder: Path, name: str) -> Images:
    mosaics = [_opened(path) for path in sorted(folder.glob(f"{name}_*.webp"))]
    return np.concatenate(mosaics)


def _opened(path: Path) -> Images:
    channels, height, width = CIFAR10.shape
    pixels = np.asarray(Image.open(path).convert("RGB"))
    rows = pixels.reshape(-1, height, COLUMNS, width, channels).swapaxes(1, 2)
    return np.ascontiguousarray(rows.reshape(-1, height, width, channels))


if __name__ == "__main__":
    main()
