"""The embedded samples, and what stands in for one where there is none."""

from pathlib import Path

import numpy as np
import pytest

from harness.base.errors import DataError
from harness.datasets.cifar10 import CIFAR10
from harness.datasets.images import Data
from harness.datasets.miniature import load_for_probe, load_mini
from harness.datasets.spec import DataSpec

CIFAR = DataSpec(dataset="cifar10")


@pytest.fixture(scope="module")
def mini() -> Data:
    return load_mini(CIFAR)


def test_the_mini_set_has_500_and_100_images_a_class_in_class_order(mini: Data) -> None:
    assert mini.train.images.shape == (5000, 32, 32, 3)
    assert mini.test.images.shape == (1000, 32, 32, 3)
    assert mini.train.images.dtype == np.uint8
    assert np.array_equal(mini.train.labels, np.repeat(np.arange(10), 500))
    assert np.array_equal(mini.test.labels, np.repeat(np.arange(10), 100))
    assert mini.classes == CIFAR10.classes


def test_the_sample_of_mnist_is_grey() -> None:
    data = load_mini(DataSpec(dataset="mnist"))
    assert data.train.images.shape == (5000, 28, 28, 1)
    assert np.array_equal(data.test.labels, np.repeat(np.arange(10), 100))
    # A digit stands in the middle of a dark square.
    assert data.train.images[:, 0].mean() < 1 < 50 < data.train.images[:, 14, 14].mean()


def test_the_mini_set_is_cut_along_the_right_lines(mini: Data) -> None:
    # Neighbouring pixels of a photograph are alike; across a wrong cut they would not be.
    images = mini.test.images.astype(int)
    inside = np.abs(images[:, 15] - images[:, 16]).mean()
    across = np.abs(images[:-1, 31] - images[1:, 0]).mean()
    assert inside < across / 2


def test_a_changed_mosaic_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "train.webp").write_bytes(b"other")
    with pytest.raises(DataError, match=r"train\.webp: not the file that was shipped; expected SHA-256 ae3d"):
        load_mini(CIFAR, tmp_path)


def test_a_missing_mosaic_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.webp: cannot be read \(No such file.*Install the harness"):
        load_mini(CIFAR, tmp_path)


def test_a_sample_has_the_classes_and_the_size_that_are_asked_for() -> None:
    data = load_mini(DataSpec(dataset="cifar10", classes=("dog", "cat"), resize=16, channels=1, validation=9))
    assert data.train.images.shape == (1000, 16, 16, 1)
    assert data.classes == ("dog", "cat")
    assert np.bincount(data.test.labels).tolist() == [100, 100]


def test_a_data_set_without_a_sample_says_so() -> None:
    with pytest.raises(DataError, match="--data mini: no sample of CIFAR-100 is embedded in the harness"):
        load_mini(DataSpec(dataset="cifar100"))


def test_a_network_is_probed_on_the_sample_where_there_is_one(mini: Data) -> None:
    assert load_for_probe(CIFAR).sha256 == mini.sha256


def test_without_a_sample_images_are_drawn_the_same_ones_each_time() -> None:
    spec = DataSpec(dataset="cifar100")
    data = load_for_probe(spec)
    assert data.train.images.shape == data.test.images.shape == (500, 32, 32, 3)
    load_for_probe.cache_clear()
    assert data.sha256 == load_for_probe(spec).sha256
    assert not np.array_equal(data.train.images, data.test.images)
    assert set(np.bincount(data.test.labels)) == {5}


@pytest.mark.parametrize("dataset", ["cifar10", "svhn"])
def test_of_large_images_a_probe_gets_fewer(dataset: str) -> None:
    data = load_for_probe(DataSpec(dataset=dataset, resize=512))
    assert 64 <= len(data.test.labels) < 100
    assert np.ptp(np.bincount(data.test.labels, minlength=10)) <= 1
