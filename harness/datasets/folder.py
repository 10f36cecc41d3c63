"""A teacher's own images in folders: ``train/CLASS/*.png`` and, where there is one, ``test/CLASS/*.png``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.dataset import Own, Requested

if TYPE_CHECKING:
    from harness.datasets.images import Split, Splits

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".webp")


def in_class(folder: Path) -> list[Path]:
    """List the images of a class by name."""
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())


def _read(path: Path, requested: Requested) -> "Splits":
    from harness.datasets.image_files import splits

    return splits(path, requested)


def _read_test(path: Path, requested: Requested) -> "Split":
    from harness.datasets.image_files import test_split

    return test_split(path, requested)


def _files(path: Path, classes: tuple[str, ...]) -> Sequence[Path]:
    found = (in_class(path / part / name) for part in ("", "train", "test") for name in classes)
    return [file for files in found for file in files]


FOLDER = Own(
    name="folder",
    title="the folder",
    about="images of your own, a folder for each class",
    layout="train/CLASS/*.png (or .jpg, .bmp, .webp, .pgm, .ppm) and test/CLASS/*.png",
    files=_files,
    read=_read,
    read_test=_read_test,
)
