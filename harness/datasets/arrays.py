"""Images that lie in one file of NumPy arrays."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import DataError
from harness.datasets.dataset import Requested
from harness.datasets.images import Images, Labels, Split, Splits, shaped

Arrays = dict[str, NDArray[Any]]


def splits(path: Path, requested: Requested) -> Splits:
    """Read x_train and y_train, and x_test and y_test if they are there.

    Raises:
        DataError: an array is missing or does not fit.
    """
    arrays = _arrays(path)
    test = _split(path, arrays, "test", requested) if "x_test" in arrays else None
    return Splits(_split(path, arrays, "train", requested), test, requested.classes)


def test_split(path: Path, requested: Requested) -> Split:
    """Read x_test and y_test, likewise."""
    return _split(path, _arrays(path), "test", requested)


# Private functions


def _arrays(path: Path) -> Arrays:
    """Read all arrays of a file; nothing is unpickled."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # noqa: BLE001 - a broken archive raises whatever comes first
        why = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be read as arrays ({why}). Write it with numpy.savez.") from None


def _split(path: Path, arrays: Arrays, split: str, requested: Requested) -> Split:
    for key in (f"x_{split}", f"y_{split}"):
        if key not in arrays:
            raise DataError(
                f"{path}: no array {key}; it holds {', '.join(arrays) or 'none'}. "
                "Images are x_train and x_test, labels y_train and y_test."
            )
    images = _images(f"{path}: x_{split}", arrays[f"x_{split}"], requested)
    labels = _labels(f"{path}: y_{split}", arrays[f"y_{split}"], len(images), requested.classes)
    return Split(images, labels)


def _images(where: str, stored: NDArray[Any], requested: Requested) -> Images:
    images = stored[..., None] if stored.ndim == 3 else stored
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(
            f"{where}: expected uint8 of shape (N, H, W), (N, H, W, 1) or (N, H, W, 3), "
            f"got {stored.dtype} of shape {stored.shape}. Multiply shares by 255, and put the channels last."
        )
    size, asked = images.shape[1:3], requested.shape[1:]
    if size != asked and requested.resize is None:
        raise DataError(
            f"{where}: another size; expected {asked[1]}x{asked[0]} px, got {size[1]}x{size[0]}. "
            "Write resize = N into [data] of the assignment, or correct input_shape."
        )
    return shaped(images, requested.shape)


def _labels(where: str, stored: NDArray[Any], images: int, classes: tuple[str, ...]) -> Labels:
    labels = stored.reshape(-1) if stored.ndim == 2 and stored.shape[1:] == (1,) else stored
    if labels.dtype.kind not in "iu" or labels.shape != (images,):
        raise DataError(
            f"{where}: expected whole numbers of shape ({images},), got {stored.dtype} of shape "
            f"{stored.shape}. Give every image the number of its class, from 0."
        )
    if images and not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
        raise DataError(
            f"{where}: expected labels 0 to {len(classes) - 1}, got {labels.min()} to {labels.max()}. "
            "Correct classes under [data] in the assignment."
        )
    counts = np.bincount(labels.astype(np.int64), minlength=len(classes))
    if empty := [name for name, count in zip(classes, counts, strict=True) if not count]:
        raise DataError(
            f"{where}: no image of {empty[0]!r}; expected at least one of each class. Add images, or take "
            "the class out of the assignment."
        )
    return labels.astype(np.int64)
