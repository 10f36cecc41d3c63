"""The official CIFAR-10 batches, checked by their MD5.

They are looked for in the folder asked for, then in $CIFAR10_ROOT, then in ./data; otherwise they are
downloaded into ./data (`harness.training.download`). Nothing is ever deleted.

What imports this imports torchvision, which takes longer than all of torch.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torchvision.datasets import CIFAR10

from harness.errors import DataError
from harness.files import md5_of
from harness.training.data import Data, Split
from harness.training.download import download

DOWNLOADS = Path("data")
"""Where a download goes, below the working directory."""


def load_data(folder: str | None, progress: Callable[[int, int | None], None]) -> Data:
    """Load the official batches from wherever they are.

    `progress` is called with (bytes done, bytes in all or None) while downloading.

    Raises:
        DataError: a file is missing from the batches' folder or is not the official one.
        DataUnavailableError: the data is nowhere and cannot be downloaded.
    """
    if (root := local_root(folder)) is not None:
        return load_cifar10(root)
    download(DOWNLOADS, _places(folder), progress)
    return load_cifar10(DOWNLOADS)


def local_root(folder: str | None) -> Path | None:
    """Find the official batches where they are looked for; None if they are nowhere on this machine."""
    return next((root for root in _places(folder) if (root / CIFAR10.base_folder).is_dir()), None)


def check_files(root: Path) -> None:
    """Check the MD5 of every file of the official batches below `root`.

    Raises:
        DataError: a file is missing, cannot be read, or has another MD5.
    """
    for name, md5 in [
        *CIFAR10.train_list,
        *CIFAR10.test_list,
        (CIFAR10.meta["filename"], CIFAR10.meta["md5"]),
    ]:
        _check_md5(root / CIFAR10.base_folder / name, md5)


def load_cifar10(root: Path) -> Data:
    """Load the official batches below `root`, after checking the MD5 of every file.

    Raises:
        DataError: a file is missing, cannot be read, or has another MD5.
    """
    # Before torchvision unpickles anything, and with a message that names the file.
    check_files(root)
    train, test = CIFAR10(root, train=True), CIFAR10(root, train=False)
    return Data(
        name="cifar10",
        root=str(root),
        train=Split(np.ascontiguousarray(train.data), np.asarray(train.targets, dtype=np.int64)),
        test=Split(np.ascontiguousarray(test.data), np.asarray(test.targets, dtype=np.int64)),
        classes=tuple(train.classes),
    )


# Private functions


def _places(folder: str | None) -> list[Path]:
    asked = [folder, os.environ.get("CIFAR10_ROOT")]
    return [Path(place) for place in asked if place] + [DOWNLOADS]


def _check_md5(path: Path, expected: str) -> None:
    try:
        actual = md5_of(path)
    except FileNotFoundError:
        raise DataError(
            f"{path}: missing; expected the whole folder of the official batches. "
            f"Put the file back, or move {path.parent} away to have it downloaded again."
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Make the file readable.") from None
    if actual != expected:
        raise DataError(
            f"{path}: not the official file; expected MD5 {expected}, got {actual}. Nothing was deleted. "
            f"Replace the file, or move {path.parent} away to have it downloaded again."
        )
