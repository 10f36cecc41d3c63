"""Trainings: what one is known by, and how sure its accuracy is."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from harness.base.tables import Frozen
from harness.datasets.metrics import Confusion, correct_of, total_of

WILSON_Z = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""

Augmented = Literal["one by one", "in batches", "on the device"]
"""Whether Albumentations ran on each image, or its distribution was drawn for a batch at a time, of which
OpenCV made the images or the device did."""


class EpochLog(Frozen):
    """One epoch: mean training loss and accuracy, test loss and accuracy, last learning rate."""

    epoch: int
    train_loss: float
    train_acc: float
    test_loss: float
    test_acc: float
    lr: float


class DataUsed(Frozen):
    """The data set that was used; `mini` is an embedded preview set, never graded."""

    name: str
    train_images: int
    test_images: int
    sha256: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]


class Training(Frozen):
    """One seeded training of one variant. `confusion[i][j]`: images of class i called class j."""

    seed: int
    device: str
    data: DataUsed
    recipe: dict[str, Any]
    epochs: tuple[EpochLog, ...]
    best_epoch: int
    confusion: tuple[tuple[int, ...], ...]
    accuracy: float
    accuracy_interval: tuple[float, float]
    initial_sha256: str
    weights_sha256: str
    augmented: Augmented = "one by one"
    notes: tuple[str, ...] = ()

    @property
    def correct(self) -> int:
        """Test images that the last epoch's network calls by their own class."""
        return correct_of(self.confusion)


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion, as shares in [0, 1].

    Raises:
        ValueError: `total` is not positive or `correct` is outside 0..total.

    Source: E. B. Wilson, JASA 22 (1927) 209-212, doi 10.1080/01621459.1927.10502953.
    """
    if total <= 0 or not 0 <= correct <= total:
        raise ValueError(f"expected 0 <= correct <= total and total > 0, got {correct} of {total}")
    share, z2 = correct / total, WILSON_Z**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = WILSON_Z / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def accuracy_of(confusion: Confusion) -> tuple[float, tuple[float, float]]:
    """Return the accuracy of a confusion matrix and its 95 % Wilson interval, as shares in [0, 1]."""
    correct, total = correct_of(confusion), total_of(confusion)
    return correct / total, wilson_interval(correct, total)


def mean_interval(correct: int, trainings: Sequence[Training]) -> tuple[float, float]:
    """Return the 95 % Wilson interval of the mean of trainings that have so many images right together.

    It is that of a single measurement: all trainings are measured on the same test images, so more of them do
    not make those images say more.
    """
    return wilson_interval(round(correct / len(trainings)), trainings[0].data.test_images)


def in_percent(share: float, digits: int = 2) -> str:
    """Write a share in [0, 1] in percent; 100 stands only for all of it, whatever rounding would say."""
    text = f"{100 * share:.{digits}f}"
    is_all = share > 1 - 1e-9  # what is left of sums that are 1
    return text if is_all or float(text) < 100 else f"{100 - 10**-digits:.{digits}f}"


def mean_accuracy(trainings: Sequence[Training]) -> tuple[float, tuple[float, float]]:
    """Return the mean accuracy of one training or more, and its `mean_interval`, as shares in [0, 1]."""
    correct = sum(training.correct for training in trainings)
    share = correct / (len(trainings) * trainings[0].data.test_images)
    return share, mean_interval(correct, trainings)
