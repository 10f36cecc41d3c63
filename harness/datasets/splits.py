"""From the images in the files to those of an assignment: classes, validation split, size, channels."""

import numpy as np

from harness.base.errors import DataError
from harness.datasets.images import Labels, Split, Splits, shaped
from harness.datasets.spec import DataSpec


def prepared(read: Splits, spec: DataSpec) -> tuple[Split, Split]:
    """Make the training and the test split; where there is no test split, the validation images are it.

    Raises:
        DataError: a class is missing or has too few images, or nothing is left to test with.
    """
    train = _chosen(read.train, read.classes, spec)
    train, held = _parted(train, spec)
    test = held if read.test is None else _chosen(read.test, read.classes, spec)
    if len(test.labels) == 0:
        raise DataError(
            f"{spec.title}: no test split; expected one in the files, or a number of images to set apart. "
            "Write validation = N or test = PATH into [data] of the assignment."
        )
    return _shaped(train, spec), _shaped(test, spec)


# Private functions


def _shaped(split: Split, spec: DataSpec) -> Split:
    return Split(shaped(split.images, spec.input_shape), split.labels)


def _chosen(split: Split, classes: tuple[str, ...], spec: DataSpec) -> Split:
    """Select the images of the requested classes, and number these in the order requested."""
    if missing := [name for name in spec.class_names if name not in classes]:
        raise DataError(
            f"{spec.title}: no class {missing[0]!r} in the files; they hold {', '.join(classes)}. "
            "Correct classes under [data] in the assignment."
        )
    if classes == spec.class_names:
        return split
    number = np.full(len(classes), -1, dtype=np.int64)
    for new, name in enumerate(spec.class_names):
        number[classes.index(name)] = new
    labels = number[split.labels]
    kept = labels >= 0
    return Split(split.images[kept], labels[kept])


def _parted(train: Split, spec: DataSpec) -> tuple[Split, Split]:
    """Set the validation images apart: the last of each class, in proportion to its training images."""
    if not spec.validation:
        return train, Split(train.images[:0], train.labels[:0])
    held = np.zeros(len(train.labels), dtype=np.bool_)
    counts = np.bincount(train.labels, minlength=spec.num_classes)
    for label, count in enumerate(_shares(counts, spec.validation)):
        if count >= counts[label]:
            raise DataError(
                f"{spec.title}: validation = {spec.validation} leaves no training image of "
                f"{spec.class_names[label]!r}, of which there are {counts[label]:,}. Set fewer images apart."
            )
        (places,) = np.nonzero(train.labels == label)
        held[places[len(places) - count :]] = True
    return Split(train.images[~held], train.labels[~held]), Split(train.images[held], train.labels[held])


def _shares(counts: Labels, total: int) -> list[int]:
    """Divide `total` in proportion to `counts`; the rest goes to the largest remainders, the first first."""
    exact = counts * total
    shares = exact // max(int(counts.sum()), 1)
    remainders = exact % max(int(counts.sum()), 1)
    for label in np.argsort(-remainders, kind="stable")[: total - int(shares.sum())]:
        shares[label] += 1
    return [int(share) for share in shares]
