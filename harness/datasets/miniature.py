"""Images that come with the harness: embedded samples of some data sets, drawn ones for all others."""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from harness.base.errors import DataError
from harness.datasets.dataset import PREVIEW, Miniature, Public, Shape
from harness.datasets.images import Data, Split, Splits, shaped
from harness.datasets.loading import require_mini
from harness.datasets.spec import DataSpec
from harness.datasets.splits import prepared

DRAWN = 500
"""Images of each of the two drawn splits, as far as `MOST_PIXELS` goes."""
MOST_PIXELS = 25_000_000
"""Pixels of a split that are kept for a probe: large images are fewer."""

_MINI = Path(__file__).parent / "mini"
_SEED = 0


def load_mini(spec: DataSpec, folder: Path = _MINI) -> Data:
    """Load the embedded sample of a data set, in class order; the validation split is not set apart.

    Raises:
        DataError: there is none, or a mosaic is missing or is not the one that was shipped.
    """
    dataset, mini = spec.of, require_mini(spec)
    assert isinstance(dataset, Public)
    splits = Splits(
        train=_mosaic(folder / mini.folder / "train.webp", mini, mini.train_per_class, dataset.shape),
        test=_mosaic(folder / mini.folder / "test.webp", mini, mini.test_per_class, dataset.shape),
        classes=dataset.classes,
    )
    train, test = prepared(splits, spec.model_copy(update={"validation": 0}))
    return Data(PREVIEW, "the embedded mini set", train, test, spec.class_names)


@lru_cache(maxsize=1)
def load_for_probe(spec: DataSpec) -> Data:
    """Load what an untrained network is run on: the embedded sample, or drawn images where there is none.

    Drawn images are smooth shapes under noise, their labels take turns. Of large images there are fewer.
    A class is run on the same images by one process: they are kept, and nobody may write to them.

    Raises:
        DataError: as `load_mini`.
    """
    if spec.miniature is None:
        return Data(PREVIEW, "drawn images", _drawn(spec, "train"), _drawn(spec, "test"), spec.class_names)
    small = load_mini(spec.model_copy(update={"resize": None}))
    assert isinstance(small.test, Split)
    train, test = (_thinned(split, spec.input_shape) for split in (small.train, small.test))
    return Data(PREVIEW, small.root, train, test, spec.class_names)


# Private functions


def _mosaic(path: Path, mini: Miniature, per_class: int, shape: Shape) -> Split:
    from PIL import Image

    _check(path, mini.sha256[path.name])
    channels, height, width = shape
    with Image.open(path) as mosaic:
        pixels = np.asarray(mosaic.convert("L" if channels == 1 else "RGB"))
    rows = pixels.reshape(-1, height, mini.columns, width, channels).swapaxes(1, 2)
    images = np.ascontiguousarray(rows.reshape(-1, height, width, channels))
    return Split(images, np.arange(len(images), dtype=np.int64) // per_class)


def _check(path: Path, expected: str) -> None:
    try:
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Install the harness again.") from None
    if actual != expected:
        raise DataError(
            f"{path}: not the file that was shipped; expected SHA-256 {expected}, "
            f"got {actual}. Install the harness again."
        )


def _thinned(split: Split, shape: Shape) -> Split:
    """Select evenly spaced images, then reshape them."""
    most = max(MOST_PIXELS // (shape[1] * shape[2]), 64)
    step = -(-len(split.labels) // most)
    return Split(shaped(split.images[::step], shape), split.labels[::step])


def _drawn(spec: DataSpec, split: str) -> Split:
    channels, height, width = spec.input_shape
    chance = np.random.default_rng([_SEED, len(split)])
    count = min(DRAWN, max(MOST_PIXELS // (height * width), 64))
    shapes = chance.integers(0, 256, (count, 4, 4, channels), dtype=np.uint8)
    noise = chance.integers(-32, 33, (count, height, width, channels), dtype=np.int16)
    images = np.clip(shaped(shapes, spec.input_shape) + noise, 0, 255).astype(np.uint8)
    return Split(images, np.arange(count, dtype=np.int64) % spec.num_classes)
