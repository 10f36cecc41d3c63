"""MNIST: handwritten digits. Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.dataset import Download, File, Miniature, Public

if TYPE_CHECKING:
    from harness.datasets.images import Splits

NAMES = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
)  # fmt: skip
"""Of the four files, training split first; Fashion-MNIST has the same."""


def _read(paths: Sequence[Path]) -> "Splits":
    from harness.datasets.formats import digits

    return digits(paths, MNIST.classes)


_URL = "https://ossci-datasets.s3.amazonaws.com/mnist"
_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}

MNIST = Public(
    name="mnist",
    title="MNIST",
    about="70,000 grey images of handwritten digits",
    shape=(1, 28, 28),
    classes=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    folder="MNIST/raw",
    files=tuple(File({form: _MD5[form] for form in (name, f"{name}.gz")}) for name in NAMES),
    downloads=tuple(Download(f"{_URL}/{name}.gz", _MD5[f"{name}.gz"]) for name in NAMES),
    read=_read,
    train_per_class=(5_923, 6_742, 5_958, 6_131, 5_842, 5_421, 5_918, 6_265, 5_851, 5_949),
    test_per_class=(980, 1_135, 1_032, 1_010, 982, 892, 958, 1_028, 974, 1_009),
    licence="CC BY-SA 3.0",
    miniature=Miniature(
        folder="mnist",
        train_per_class=500,
        test_per_class=100,
        columns=100,
        sha256={
            "train.webp": "10091d2a7da854dccfe9f3670bb95d0253cc66da25a0a7f69c659c5adb69d20a",
            "test.webp": "2cfe71355afcf7a02d80c5cbe367eec0eb05631fa8d8dc4a236b45a496f75a89",
        },
    ),
    sha256="1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b",
)
