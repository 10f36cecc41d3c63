"""CIFAR-10: small colour photographs of ten kinds of things. Source: A. Krizhevsky, 2009, Learning Multiple
Layers of Features from Tiny Images.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.datasets.dataset import Download, File, Miniature, Public
from harness.datasets.images import Split, Splits

SHAPE = (3, 32, 32)

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
    planes = np.concatenate([batch["data"] for batch in read]).reshape(-1, *SHAPE)
    numbers = np.concatenate([np.asarray(batch[labels], dtype=np.int64) for batch in read])
    return Split(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), numbers)


def _read(paths: Sequence[Path]) -> Splits:
    *train, test, meta = paths
    classes = tuple(unpickled(meta)["label_names"])
    return Splits(batches(train, "labels"), batches([test], "labels"), classes)


CIFAR10 = Public(
    name="cifar10",
    title="CIFAR-10",
    about="60,000 colour photographs of animals and vehicles",
    shape=SHAPE,
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    folder="cifar-10-batches-py",
    files=(
        File({"data_batch_1": "c99cafc152244af753f735de768cd75f"}),
        File({"data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec"}),
        File({"data_batch_3": "54ebc095f3ab1f0389bbae665268c751"}),
        File({"data_batch_4": "634d18415352ddfa80567beed471001a"}),
        File({"data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb"}),
        File({"test_batch": "40351d587109b95175f43aff81a1287e"}),
        File({"batches.meta": "5ff9c542aee3614f3951f8cda6e48888"}),
    ),
    downloads=(
        Download(
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"
        ),
    ),
    read=_read,
    train_per_class=(5_000,) * 10,
    test_per_class=(1_000,) * 10,
    licence="none stated; free for research, with a reference to the report",
    sha256="6b3883dca6c867f1e58def548c063d1865569b8575fcbce06b3e468a89f9895a",
    miniature=Miniature(
        folder="cifar10",
        train_per_class=500,
        test_per_class=100,
        columns=100,
        sha256={
            "train.webp": "ae3d1af7704a9ba8b2a2a8ab39b14b873490ebcff93d2637f55221bb096fa896",
            "test.webp": "8e1e574ae1846d0d7502b53eead29b4ad1ea5005ac423357e1f4fa82fbb3f939",
        },
    ),
)
