"""A folder of images is described as it is, and refused by name where it cannot be used."""

import pytest
from PIL import Image

from harness.authoring.images import look_through
from harness.base.errors import DataError, UsageError


@pytest.fixture
def folder(tmp_path):
    """Two classes of ten grey images, 28x28."""
    for shade, name in enumerate(("cat", "dog")):
        paint(tmp_path / "images" / name, shade=shade)
    return tmp_path / "images"


def paint(folder, size=(28, 28), mode="L", shade=0, count=10):
    folder.mkdir(parents=True)
    for number in range(count):
        colour = 20 * number + shade
        Image.new(mode, size, colour if mode == "L" else (colour,) * 3).save(folder / f"{number}.png")


def test_classes_shape_and_hash_are_read_from_the_images(folder):
    found = look_through(folder)
    assert (found.spec.path, found.place) == ("images", folder.parent)
    assert found.spec.class_names == ("cat", "dog")
    assert found.spec.input_shape == (1, 28, 28)
    assert len(found.spec.sha256) == 64


def test_a_fifth_of_the_images_is_set_apart_where_there_is_no_test_folder(folder):
    found = look_through(folder)
    assert (found.train_images, found.test_images, found.spec.validation) == (16, 4, 4)


def test_a_test_folder_is_the_test_split(folder):
    for name in ("cat", "dog"):
        paint(folder / "test" / name, count=2)
        (folder / "train").mkdir(exist_ok=True)
        (folder / name).rename(folder / "train" / name)
    found = look_through(folder)
    assert (found.train_images, found.test_images, found.spec.validation) == (20, 4, 0)


def test_images_of_several_sizes_become_squares_of_64_px(folder):
    paint(folder / "owl", size=(40, 30), mode="RGB")
    found = look_through(folder)
    assert (found.spec.resize, found.spec.input_shape) == (64, (3, 64, 64))


def test_an_image_that_cannot_be_read_is_named(folder):
    (folder / "cat" / "3.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"3\.png: cannot be read as an image"):
        look_through(folder)


def test_a_folder_that_is_not_there_or_has_one_class_is_refused(folder, tmp_path):
    with pytest.raises(UsageError, match=r"none: no such folder\. Name the one"):
        look_through(tmp_path / "none")
    with pytest.raises(UsageError, match=r"cat: expected a folder of images for each class.*got 0"):
        look_through(folder / "cat")
