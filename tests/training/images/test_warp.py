"""The augmentation of images on a device: what OpenCV makes of the same parameters."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from harness.assignment.spec import AssignmentSpec
from harness.datasets.images import Data
from harness.settings.recipe import TransformSpec
from harness.training.images.batch_augmentation import BatchAugmenter, augmenter
from harness.training.images.warp import BORDERS, INTERPOLATIONS, inverted

IMAGES = 100
ANY: dict[str, Any] = {
    "translate_percent": [-1.5, 1.5], "scale": [0.5, 1.5], "rotate": [-90, 90], "shear": [-20, 20],
    "fill": [10, 120, 200],
}  # fmt: skip


def both(*specs: TransformSpec, shape: tuple[int, int, int] = (24, 32, 3)) -> tuple[Any, Any]:
    """Images of noise as OpenCV and as the device form augment them."""
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, *shape), dtype=np.uint8)
    augment = augmenter(specs, 5, shape[2])
    assert isinstance(augment, BatchAugmenter)
    parameters = augment.parameters(3, IMAGES, *shape[:2])
    ours = augment.on_device(torch.from_numpy(images), parameters)
    return augment(images, epoch=3, indices=range(IMAGES)).astype(int), ours.numpy().astype(int)


@pytest.mark.parametrize("border_mode", BORDERS)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_an_affine_map_gives_opencv_s_pixels(interpolation: int, border_mode: int) -> None:
    arguments = {**ANY, "interpolation": interpolation, "border_mode": border_mode}
    theirs, ours = both(TransformSpec(name="Affine", p=0.8, arguments=arguments))
    difference = np.abs(theirs - ours)
    assert difference.max() <= 1
    # Where a value lies between two levels, the order of a float's operations decides.
    assert (difference == 0).mean() > 0.999


def test_an_image_of_one_row_is_reflected_at_itself() -> None:
    arguments = {**ANY, "border_mode": cv2.BORDER_REFLECT_101}
    theirs, ours = both(TransformSpec(name="Affine", p=1, arguments=arguments), shape=(1, 9, 3))
    assert np.abs(theirs - ours).max() <= 1


def test_flips_and_holes_are_equal() -> None:
    hole = {
        "num_holes_range": [1, 1],
        "hole_height_range": [2, 9],
        "hole_width_range": [1, 60],
        "fill": [9, 8, 7],
    }
    specs = (
        TransformSpec(name="HorizontalFlip", p=0.5),
        TransformSpec(name="CoarseDropout", p=0.6, arguments=hole),
    )
    theirs, ours = both(*specs)
    assert np.array_equal(theirs, ours)


def test_the_assignment_s_pipeline_is_equal_in_colour_and_in_grey(assignment: AssignmentSpec) -> None:
    for channels in (1, 3):
        theirs, ours = both(*assignment.recipe.augmentation, shape=(28, 28, channels))
        assert np.abs(theirs - ours).max() <= 1


def test_an_image_that_is_not_chosen_keeps_every_pixel(few: Data) -> None:
    (augment,) = (augmenter([TransformSpec(name="Affine", p=0, arguments=ANY)], 1, 3),)
    assert isinstance(augment, BatchAugmenter)
    images = torch.from_numpy(few.train.images)
    assert torch.equal(augment.on_device(images, augment.parameters(0, len(images), 32, 32)), images)


def test_a_map_onto_a_line_has_no_inverse() -> None:
    assert not inverted(np.array([[[1.0, 2, 3], [2, 4, 6]]]))[0, :, :2].any()


def test_an_interpolation_that_only_opencv_has_has_no_device_form() -> None:
    cubic = TransformSpec(name="Affine", p=1, arguments={**ANY, "interpolation": cv2.INTER_CUBIC})
    flip = TransformSpec(name="HorizontalFlip", p=0.5)
    one, other = augmenter([flip, cubic], 1, 3), augmenter([flip], 1, 3)
    assert isinstance(one, BatchAugmenter)
    assert isinstance(other, BatchAugmenter)
    assert (one.has_device_form, other.has_device_form) == (False, True)
