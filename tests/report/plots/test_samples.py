"""Grids of images name the classes; what is wrong can be seen without colour."""

import numpy as np
import pytest

from harness.report.plots.image_file import Augmented, Classified, read_samples
from harness.report.plots.samples import draw_augmented, draw_classified

CLASSES = ("cat", "dog")


@pytest.fixture
def images():
    return np.arange(3 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 4, 4, 3)


@pytest.fixture
def classified(images):
    probabilities = np.array([[0.9, 0.1], [0.75, 0.25], [0.5, 0.5]], dtype=np.float32)
    return Classified(images, np.array([0, 1, 0]), probabilities, np.arange(3))


@pytest.fixture
def augmented(images):
    return Augmented(images, np.array([0, 1, 0]), np.stack([images[:, ::-1], images[:, :, ::-1]], axis=1))


def test_right_and_wrong_differ_in_sign_words_and_frame(drawn, classified):
    (figure,) = drawn(draw_classified, classified, CLASSES, "a title")
    right, wrong, _ = figure.axes
    assert right.get_title() == "✓ cat, 90 %"
    assert wrong.get_title() == "✗ cat, 75 %\ntrue: dog"
    assert not any(spine.get_visible() for spine in right.spines.values())
    assert all(spine.get_visible() for spine in wrong.spines.values())


def test_of_equal_probabilities_the_first_is_the_prediction(classified):
    assert classified.predictions.tolist() == [0, 0, 0]


def test_the_images_are_shown_as_they_are_stored(drawn, classified):
    (figure,) = drawn(draw_classified, classified, CLASSES, "a title")
    assert (figure.axes[0].images[0].get_array() == classified.images[0]).all()


def test_every_original_stands_before_its_augmentations(drawn, augmented):
    (figure,) = drawn(draw_augmented, augmented, CLASSES, "a title")
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    expected = [image for i in range(3) for image in (augmented.images[i], *augmented.augmented[i])]
    assert len(shown) == len(expected)
    assert all((a == b).all() for a, b in zip(shown, expected, strict=True))
    assert [axes.texts[0].get_text() for axes in figure.axes if axes.texts] == ["cat", "dog", "cat"]


def test_one_image_alone_can_be_drawn(augmented):
    one = Augmented(augmented.images[:1], augmented.labels[:1], augmented.augmented[:1])
    assert draw_augmented(one, CLASSES, "a title").startswith(b"\x89PNG")


def test_equal_images_give_equal_bytes(classified, augmented):
    for draw, images in ((draw_classified, classified), (draw_augmented, augmented)):
        assert draw(images, CLASSES, "a title") == draw(images, CLASSES, "a title")


def test_a_file_that_would_have_to_be_unpickled_is_refused(tmp_path):
    np.savez(tmp_path / "samples.npz", train_images=np.array([object()], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_samples(tmp_path / "samples.npz")


def test_grey_images_are_shown_grey(tmp_path, classified):
    grey = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4, 1)
    arrays = {
        "train_images": grey, "train_labels": classified.labels, "train_augmented": grey[:, None],
        "test_images": grey, "test_labels": classified.labels, "test_indices": classified.indices,
        "test_probabilities": classified.probabilities,
    }  # fmt: skip
    np.savez(tmp_path / "samples.npz", **arrays)
    samples = read_samples(tmp_path / "samples.npz")
    assert samples.wrong is None
    for images in (samples.train.images, samples.train.augmented[:, 0], samples.test.images):
        assert np.array_equal(images, np.repeat(grey, 3, axis=3))
