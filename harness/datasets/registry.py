"""The data sets that an assignment can name."""

from harness.datasets.cifar10 import CIFAR10
from harness.datasets.cifar100 import CIFAR100
from harness.datasets.dataset import PREVIEW, Dataset
from harness.datasets.fashion_mnist import FASHION_MNIST
from harness.datasets.folder import FOLDER
from harness.datasets.mnist import MNIST
from harness.datasets.npz import NPZ
from harness.datasets.svhn import SVHN

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset for dataset in (CIFAR10, CIFAR100, MNIST, FASHION_MNIST, SVHN, FOLDER, NPZ)
}
"""By name, in the order of the page of data sets."""


def register(dataset: Dataset) -> None:
    """Add a data set; from then on an assignment can name it.

    Raises:
        ValueError: there is one of this name.
    """
    if dataset.name in (*DATASETS, PREVIEW):
        raise ValueError(f"{dataset.name}: there is a data set of this name; choose another")
    DATASETS[dataset.name] = dataset


def environment() -> tuple[str, ...]:
    """List the environment variables that say where data lies or comes from."""
    own = (name for one in DATASETS.values() for name in (one.root_variable, one.url_variable))
    return ("HARNESS_DATA", *own)
