"""CIFAR-100: a hundred kinds of things, in CIFAR-10's format. Source: A. Krizhevsky, 2009."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.dataset import Download, File, Public

if TYPE_CHECKING:
    from harness.datasets.images import Splits


def _read(paths: Sequence[Path]) -> "Splits":
    from harness.datasets.formats import batches, unpickled
    from harness.datasets.images import Splits

    train, test, meta = paths
    classes = tuple(unpickled(meta)["fine_label_names"])
    return Splits(batches([train], "fine_labels"), batches([test], "fine_labels"), classes)


_NAMES = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
    "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle",
    "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear",
    "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon",
    "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail",
    "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone",
    "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
)  # fmt: skip

CIFAR100 = Public(
    name="cifar100",
    title="CIFAR-100",
    about="60,000 colour photographs, 600 of each class, by the fine labels",
    shape=(3, 32, 32),
    classes=_NAMES,
    folder="cifar-100-python",
    files=(
        File({"train": "16019d7e3df5f24257cddd939b257f8d"}),
        File({"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"}),
        File({"meta": "7973b15100ade9c7d40fb424638fde48"}),
    ),
    downloads=(
        Download(
            "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85"
        ),
    ),
    read=_read,
    train_per_class=(500,) * 100,
    test_per_class=(100,) * 100,
    licence="none stated; free for research, with a reference to the report",
)
