"""Fashion-MNIST: clothes in the format of MNIST. Source: H. Xiao, K. Rasul, R. Vollgraf, arXiv 1708.07747."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.dataset import Download, File, Public
from harness.datasets.mnist import NAMES

if TYPE_CHECKING:
    from harness.datasets.images import Splits


def _read(paths: Sequence[Path]) -> "Splits":
    from harness.datasets.formats import digits

    return digits(paths, FASHION_MNIST.classes)


_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
_MD5 = (
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe",
    "bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310",
)  # fmt: skip

_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

FASHION_MNIST = Public(
    name="fashion_mnist",
    title="Fashion-MNIST",
    about="70,000 grey images of clothes, shoes and bags",
    shape=(1, 28, 28),
    classes=_NAMES,
    folder="FashionMNIST/raw",
    files=tuple(File({f"{name}.gz": md5}) for name, md5 in zip(NAMES, _MD5, strict=True)),
    downloads=tuple(Download(f"{_URL}/{name}.gz", md5) for name, md5 in zip(NAMES, _MD5, strict=True)),
    read=_read,
    train_per_class=(6_000,) * 10,
    test_per_class=(1_000,) * 10,
    licence="MIT",
)
