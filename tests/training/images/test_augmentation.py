from typing import Any

import numpy as np
import pytest

from harness.assignment.spec import AssignmentSpec
from harness.base.errors import UsageError
from harness.datasets.images import Data
from harness.settings.recipe import TransformSpec
from harness.training.images.augmentation import Augmenter


@pytest.fixture
def augmenter(assignment: AssignmentSpec) -> Augmenter:
    return Augmenter(assignment.recipe.augmentation, seed=7)


def test_an_image_is_augmented_alike_alone_and_among_others(augmenter: Augmenter, few: Data) -> None:
    images = few.train.images[:8]
    together = augmenter(images, epoch=2, indices=range(8))
    alone = augmenter(images[5:6], epoch=2, indices=[5])
    assert np.array_equal(together[5], alone[0])
    backwards = augmenter(images[::-1], epoch=2, indices=range(7, -1, -1))
    assert np.array_equal(backwards[::-1], together)


def test_epoch_index_and_seed_each_change_the_augmentation(
    augmenter: Augmenter, assignment: AssignmentSpec, few: Data
) -> None:
    images = np.repeat(few.train.images[:1], 8, axis=0)
    base = augmenter(images, epoch=0, indices=range(8))
    assert len({image.tobytes() for image in base}) > 4
    assert not np.array_equal(base, augmenter(images, epoch=1, indices=range(8)))
    other = Augmenter(assignment.recipe.augmentation, seed=8)
    assert not np.array_equal(base, other(images, epoch=0, indices=range(8)))


def test_the_images_given_stay_as_they_are(augmenter: Augmenter, few: Data) -> None:
    before = few.train.images.copy()
    augmenter(few.train.images, epoch=0, indices=range(64))
    assert np.array_equal(few.train.images, before)


def test_a_flip_happens_half_of_the_time(few: Data) -> None:
    flip = Augmenter([TransformSpec(name="HorizontalFlip", p=0.5)], seed=1)
    images = np.repeat(few.train.images[:1], 400, axis=0)
    flipped = (flip(images, epoch=0, indices=range(400)) != images).any((1, 2, 3)).sum()
    assert 160 < flipped < 240


@pytest.mark.parametrize(
    "arguments", [{"rotat": [-15, 15]}, {"rotate": "far"}], ids=["misspelt", "wrong type"]
)
def test_arguments_that_albumentations_does_not_know_are_refused(arguments: dict[str, Any]) -> None:
    spec = TransformSpec(name="Affine", p=0.5, arguments=arguments)
    with pytest.raises(
        UsageError, match=r"recipe\.augmentation: Affine: Albumentations refuses its arguments"
    ):
        Augmenter([spec], seed=1)


def test_a_pipeline_that_leaves_images_of_another_size_is_refused(few: Data) -> None:
    crop = Augmenter([TransformSpec(name="RandomCrop", p=1, arguments={"height": 24, "width": 20})], seed=1)
    message = r"recipe\.augmentation: images of 32x32 px come out as 20x24\. Let the last transform"
    with pytest.raises(UsageError, match=message):
        crop(few.train.images[:1], epoch=0, indices=[0])
