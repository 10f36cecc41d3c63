import numpy as np

from harness.datasets.images import Data, Split


def data(labels: list[int], name: str = "mini") -> Data:
    images = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    split = Split(images, np.array(labels))
    return Data(name=name, root="", train=split, test=split, classes=("cat", "dog"))


def test_the_hash_of_data_depends_on_images_and_labels() -> None:
    assert data([0, 1]).sha256 == data([0, 1], "cifar10").sha256 != data([1, 1]).sha256


def test_the_shape_of_an_image_has_its_channels_first() -> None:
    assert data([0, 1]).shape == (3, 8, 8)
