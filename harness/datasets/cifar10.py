"""CIFAR-10: small colour photographs of ten kinds of things. Source: A. Krizhevsky, 2009, Learning Multiple
Layers of Features from Tiny Images.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.dataset import Download, File, Miniature, Public

if TYPE_CHECKING:
    from harness.datasets.images import Splits


def _read(paths: Sequence[Path]) -> "Splits":
    from harness.datasets.formats import batches, unpickled
    from harness.datasets.images import Splits

    *train, test, meta = paths
    classes = tuple(unpickled(meta)["label_names"])
    return Splits(batches(train, "labels"), batches([test], "labels"), classes)


CIFAR10 = Public(
    name="cifar10",
    title="CIFAR-10",
    about="60,000 colour photographs of animals and vehicles",
    shape=(3, 32, 32),
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
