"""Classes, validation split, size and channels: what becomes of the images in the files."""

import numpy as np
import pytest
from PIL import Image

from harness.base.errors import DataError
from harness.datasets.images import Split, Splits, shaped
from harness.datasets.spec import DataSpec
from harness.datasets.splits import prepared

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def split(labels: list[int]) -> Split:
    """Images that hold their own place in the split."""
    places = np.arange(len(labels), dtype=np.uint8)[:, None, None, None]
    return Split(np.broadcast_to(places, (len(labels), 32, 32, 3)).copy(), np.array(labels, dtype=np.int64))


def made(train: list[int], test: list[int] | None = None, **changes) -> tuple[Split, Split]:
    read = Splits(split(train), None if test is None else split(test), NAMES)
    return prepared(read, DataSpec(dataset="cifar10", **changes))


def places(one: Split) -> list[int]:
    return one.images[:, 0, 0, 0].tolist()


def test_without_changes_nothing_is_copied():
    read = Splits(split([0, 1]), split([2]), NAMES)
    train, test = prepared(read, DataSpec(dataset="cifar10"))
    assert train.images is read.train.images
    assert test.images is read.test.images


def test_a_subset_keeps_its_images_and_numbers_them_in_its_order():
    train, test = made([3, 0, 5, 3, 9], [5, 5, 1, 3], classes=("dog", "cat"))
    assert (places(train), train.labels.tolist()) == ([0, 2, 3], [1, 0, 1])
    assert (places(test), test.labels.tolist()) == ([0, 1, 3], [0, 0, 1])


def test_the_last_images_of_each_class_are_set_apart_in_proportion():
    train, test = made([0, 0, 0, 0, 1, 1, 0, 0, 1, 1], [0, 1], validation=5, classes=NAMES[:2])
    assert places(train) == [0, 1, 2, 4, 5]
    assert places(test) == [0, 1]


def test_the_validation_images_are_the_test_split_where_there_is_no_other():
    train, test = made([0, 0, 0, 0, 1, 1, 0, 0, 1, 1], validation=5, classes=NAMES[:2])
    assert places(test) == [3, 6, 7, 8, 9]
    assert test.labels.tolist() == [0, 0, 0, 1, 1]
    assert sorted(places(train) + places(test)) == list(range(10))


def test_images_that_nothing_is_left_to_test_with_are_refused():
    with pytest.raises(
        DataError, match=r"CIFAR-10: no test split; expected .* Write validation = N or test = PATH"
    ):
        made([0, 1])


def test_a_validation_split_that_takes_all_of_a_class_is_refused():
    with pytest.raises(
        DataError, match="validation = 4 leaves no training image of 'airplane', of which there are 3"
    ):
        made([0, 0, 0, 1], [0], validation=4, classes=NAMES[:2])


def test_a_class_that_the_files_do_not_hold_is_named():
    read = Splits(split([0]), split([0]), ("airplane", "bird"))
    with pytest.raises(
        DataError, match=r"no class 'cat' in the files; they hold airplane, bird\. Correct classes"
    ):
        prepared(read, DataSpec(dataset="cifar10", classes=("airplane", "cat")))


def test_grey_is_the_grey_of_pillow():
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 9, 3), dtype=np.uint8)
    theirs = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])
    assert np.array_equal(shaped(images, (1, 9, 9))[..., 0], theirs)


def test_grey_images_become_three_equal_channels():
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 9, 1), dtype=np.uint8)
    assert np.array_equal(shaped(images, (3, 9, 9)), np.repeat(images, 3, axis=3))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_smaller_image_is_made_of_averages(channels):
    images = np.zeros((1, 32, 32, channels), np.uint8)
    images[:, ::2] = 200
    smaller = shaped(images, (channels, 8, 8))
    assert smaller.shape == (1, 8, 8, channels)
    assert 90 < smaller.min() <= smaller.max() < 110
    assert np.ptp(shaped(np.full((1, 8, 8, channels), 7, np.uint8), (channels, 64, 64))) == 0
