"""The format of CIFAR-10 and CIFAR-100: pickled dictionaries with the pixels of many images."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.datasets.images import Split

_SIDE = 32

_ALLOWED = {("_reconstruct", "multiarray"), ("ndarray", "numpy"), ("dtype", "numpy")}


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
    planes = np.concatenate([batch["data"] for batch in read]).reshape(-1, 3, _SIDE, _SIDE)
    numbers = np.concatenate([np.asarray(batch[labels], dtype=np.int64) for batch in read])
    return Split(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), numbers)
