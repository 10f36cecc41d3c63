"""A teacher's own images in one file of arrays: x_train, y_train and, maybe, x_test, y_test."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.dataset import Own, Requested

if TYPE_CHECKING:
    from harness.datasets.images import Split, Splits


def _read(path: Path, requested: Requested) -> "Splits":
    from harness.datasets.arrays import splits

    return splits(path, requested)


def _read_test(path: Path, requested: Requested) -> "Split":
    from harness.datasets.arrays import test_split

    return test_split(path, requested)


def _files(path: Path, _: tuple[str, ...]) -> Sequence[Path]:
    return [path]


NPZ = Own(
    name="npz",
    title="the file",
    about="images of your own, as NumPy arrays in one file",
    layout="x_train, x_test: uint8 (N, H, W) or (N, H, W, C); y_train, y_test: numbers of the classes",
    files=_files,
    read=_read,
    read_test=_read_test,
)
