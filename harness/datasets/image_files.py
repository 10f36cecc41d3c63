"""Images that lie in files, a folder for each class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.base.errors import DataError
from harness.datasets.dataset import Requested
from harness.datasets.folder import SUFFIXES, in_class
from harness.datasets.images import Images, Split, Splits

_FORMATS = ("BMP", "JPEG", "PNG", "PPM", "WEBP")
_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK"}


def splits(path: Path, requested: Requested) -> Splits:
    """Read the class folders in ``train`` and ``test``, or right below `path` where there is no ``train``.

    Raises:
        DataError: a class has no image, or an image cannot be used.
    """
    test = _split(path / "test", requested) if (path / "test").is_dir() else None
    return Splits(_split(_below(path, "train"), requested), test, requested.classes)


def test_split(path: Path, requested: Requested) -> Split:
    """Read the class folders of a test split, in ``test`` or right below `path`, likewise."""
    return _split(_below(path, "test"), requested)


# Private functions


def _below(path: Path, part: str) -> Path:
    return path / part if (path / part).is_dir() else path


def _split(folder: Path, requested: Requested) -> Split:
    files = [in_class(folder / name) for name in requested.classes]
    for name, those in zip(requested.classes, files, strict=True):
        if not those:
            raise DataError(
                f"{folder / name}: no images; expected at least one file that ends with "
                f"{', '.join(SUFFIXES)}. Add images, or take the class out of the assignment."
            )
    listed = [file for those in files for file in those]
    labels = np.repeat(np.arange(len(files), dtype=np.int64), [len(those) for those in files])
    return Split(_images(listed, requested), labels)


def _images(files: Sequence[Path], requested: Requested) -> Images:
    channels, height, width = requested.shape
    images = np.empty((len(files), height, width, channels), np.uint8)
    for row, file in enumerate(files):
        images[row] = _image(file, requested).reshape(images.shape[1:])
    return images


def _image(file: Path, requested: Requested) -> Images:
    """Read one image (H, W) or (H, W, C); it is resized by averages of neighbours where that is asked for."""
    from PIL import Image  # takes a while

    channels, height, width = requested.shape
    try:
        with Image.open(file, formats=_FORMATS) as opened:
            mode, picture = opened.mode, opened.convert("L" if channels == 1 else "RGB")
    except Exception as error:  # noqa: BLE001 - Pillow may raise anything on a broken file
        why = " ".join(str(error).replace(f"{str(file)!r}", "it").split()) or type(error).__name__
        raise DataError(
            f"{file}: cannot be read as an image ({why}). Replace the file or remove it."
        ) from None
    if mode not in _MODES:
        raise DataError(
            f"{file}: pixels of the kind {mode}; expected 8 bits a channel. Save it as such a file."
        )
    if requested.resize is not None:
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    elif picture.size != (width, height):
        raise DataError(
            f"{file}: another size; expected {width}x{height} px, got {picture.size[0]}x{picture.size[1]}. "
            "Write resize = N into [data] of the assignment, or correct the file."
        )
    return np.asarray(picture)
