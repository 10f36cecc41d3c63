"""The formats of public files: MNIST's bytes behind a header, packed or not, and CIFAR's pickled arrays."""

import gzip
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.datasets.images import Images, Labels, Split, Splits

_MNIST_SIDE = 28

_CIFAR_SIDE = 32

_ALLOWED = {("_reconstruct", "multiarray"), ("ndarray", "numpy"), ("dtype", "numpy")}


def digits(paths: Sequence[Path], classes: tuple[str, ...]) -> Splits:
    """Read the four files, packed or not."""
    train, test = (Split(_images(paths[n]), _labels(paths[n + 1])) for n in (0, 2))
    return Splits(train, test, classes)


class _Arrays(pickle.Unpickler):
    """Unpickles arrays, lists and text; the name of anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Find one of the three names that an array is pickled with."""
        if (name, module.rpartition(".")[2]) not in _ALLOWED or not module.startswith("numpy"):
            raise pickle.UnpicklingError(f"{module}.{name} is not a part of an array")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def unpickled(path: Path) -> dict[str, Any]:
    """Read a batch, whose MD5 was checked: a dictionary of arrays and lists."""
    with path.open("rb") as file:
        content: dict[str, Any] = _Arrays(file, encoding="latin1").load()
    return content


def batches(paths: Sequence[Path], labels: str) -> Split:
    """Join batches; `labels` is the key of their labels."""
    read = [unpickled(path) for path in paths]
    planes = np.concatenate([batch["data"] for batch in read]).reshape(-1, 3, _CIFAR_SIDE, _CIFAR_SIDE)
    numbers = np.concatenate([np.asarray(batch[labels], dtype=np.int64) for batch in read])
    return Split(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), numbers)


# Private functions


def _content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _images(path: Path) -> Images:
    pixels = np.frombuffer(_content(path), np.uint8, offset=16)
    return pixels.reshape(-1, _MNIST_SIDE, _MNIST_SIDE, 1).copy()  # of memory that may be written to


def _labels(path: Path) -> Labels:
    return np.frombuffer(_content(path), np.uint8, offset=8).astype(np.int64)
