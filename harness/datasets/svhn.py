"""SVHN: digits cropped out of photographs of house numbers. Source: Y. Netzer et al., 2011, Reading Digits in
Natural Images with Unsupervised Feature Learning.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.dataset import Download, File, Public

if TYPE_CHECKING:
    from harness.datasets.images import Split, Splits


def _read(paths: Sequence[Path]) -> "Splits":
    from harness.datasets.images import Splits

    train, test = map(_split, paths)
    return Splits(train, test, SVHN.classes)


def _split(path: Path) -> "Split":
    import numpy as np
    from scipy.io import loadmat

    from harness.datasets.images import Split

    content = loadmat(path)
    images = np.ascontiguousarray(content["X"].transpose(3, 0, 1, 2))
    return Split(images, content["y"].reshape(-1).astype(np.int64) % 10)  # the digit 0 has the label 10


_URL = "http://ufldl.stanford.edu/housenumbers"
_MD5 = {
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
}

SVHN = Public(
    name="svhn",
    title="SVHN",
    about="99,289 colour photographs of digits on houses, without the extra split",
    shape=(3, 32, 32),
    classes=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    folder="SVHN",
    files=tuple(File({name: md5}) for name, md5 in _MD5.items()),
    downloads=tuple(Download(f"{_URL}/{name}", md5) for name, md5 in _MD5.items()),
    read=_read,
    train_per_class=(4_948, 13_861, 10_585, 8_497, 7_458, 6_882, 5_727, 5_595, 5_045, 4_659),
    test_per_class=(1_744, 5_099, 4_149, 2_882, 2_523, 2_384, 1_977, 2_019, 1_660, 1_595),
    licence="free for non-commercial use",
)
