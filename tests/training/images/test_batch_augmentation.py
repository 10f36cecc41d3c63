"""The batched augmentation against Albumentations: the same pixels for the same parameters, and the same
distribution of parameters and pixels over 10,000 draws."""

from collections.abc import Mapping
from typing import Any

import albumentations
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from harness.assignment.spec import AssignmentSpec
from harness.datasets.images import Data
from harness.settings.recipe import TransformSpec
from harness.training.images.augmentation import Augmenter, build
from harness.training.images.batch_augmentation import Affine, BatchAugmenter, augmenter

DRAWS = 10_000
CRITICAL = 1.95
"""Of the Kolmogorov-Smirnov distance times sqrt(n m / (n + m)): exceeded by chance once in a thousand."""

HOLE = {"num_holes_range": [1, 1], "hole_height_range": [2, 9], "hole_width_range": [1, 16]}
STAY = {"translate_percent": [0.0, 0.0]}


@pytest.fixture(scope="module")
def both(assignment: AssignmentSpec) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One image of distinct pixels, augmented 10,000 times by either."""
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    images = np.repeat(image, DRAWS, axis=0)
    specs = assignment.recipe.augmentation
    batched = augmenter(specs, 1, 3)
    assert isinstance(batched, BatchAugmenter)
    return batched(images, epoch=0, indices=range(DRAWS)), Augmenter(specs, 2)(
        images, epoch=0, indices=range(DRAWS)
    )


@pytest.mark.slow
def test_pixel_means_and_variances_are_those_of_albumentations(
    both: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    z, variance = differences(*both)
    # Of 3,072 pixels, whose means are normal; 5.5 standard errors would be chance once in 10,000 times.
    assert z < 5.5
    assert variance < 0.2


@pytest.mark.slow
def test_on_a_device_they_are_those_of_albumentations_too(
    assignment: AssignmentSpec, both: tuple[NDArray[np.uint8], NDArray[np.uint8]]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    augment = augmenter(assignment.recipe.augmentation, 3, 3)
    assert isinstance(augment, BatchAugmenter)
    images = torch.from_numpy(image).expand(DRAWS, -1, -1, -1)
    found = augment.on_device(images, augment.parameters(0, DRAWS, 32, 32)).numpy()
    z, variance = differences(found, both[1])
    assert z < 5.5
    assert variance < 0.2


@pytest.mark.slow
def test_another_share_of_augmented_images_would_be_seen(
    assignment: AssignmentSpec, both: tuple[NDArray[np.uint8], NDArray[np.uint8]]
) -> None:
    more = [spec.model_copy(update={"p": spec.p + 0.1}) for spec in assignment.recipe.augmentation]
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    other = augmenter(more, 1, 3)(np.repeat(image, DRAWS, axis=0), epoch=0, indices=range(DRAWS))
    assert differences(other, both[1])[0] > 5.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "measures"),
    [
        ("HorizontalFlip", {}, ["left"]),
        ("Affine", {"translate_percent": [-0.2, 0.1]}, ["x", "y"]),
        (
            "Affine",
            {**STAY, "rotate": [-15, 40]},
            ["x", "y", "spread_x", "spread_y"],
        ),
        ("Affine", {**STAY, "scale": [0.7, 1.1]}, ["spread_x", "spread_y"]),
        ("Affine", {**STAY, "shear": [-10, 20]}, ["x", "y"]),
    ],
)
def test_a_transform_moves_things_as_far_and_as_often(
    name: str, arguments: Mapping[str, Any], measures: list[str]
) -> None:
    spec = TransformSpec(name=name, p=0.6, arguments=dict(arguments))
    blob = np.zeros((1, 32, 32, 3), np.uint8)
    blob[:, 6:12, 8:14] = 255
    found = [
        measured(augment(np.repeat(blob, DRAWS, axis=0), epoch=1, indices=range(DRAWS)))
        for augment in (augmenter([spec], 3, 3), Augmenter([spec], 4))
    ]
    for measure in measures:
        assert distance(found[0][measure], found[1][measure]) < CRITICAL, measure


@pytest.mark.slow
def test_holes_are_as_large_as_frequent_and_as_evenly_spread() -> None:
    spec = TransformSpec(name="CoarseDropout", p=0.3, arguments={**HOLE, "fill": [9, 8, 7]})
    white = np.full((DRAWS, 32, 32, 3), 255, np.uint8)
    found = [
        augment(white, epoch=0, indices=range(DRAWS))
        for augment in (augmenter([spec], 1, 3), Augmenter([spec], 2))
    ]
    for images in found:
        assert {tuple(pixel) for pixel in np.unique(images.reshape(-1, 3), axis=0)} == {
            (255, 255, 255),
            (9, 8, 7),
        }
    ours, theirs = ((images[..., 0] == 9) for images in found)
    for measure in (
        lambda hole: hole.any(2).sum(1),
        lambda hole: hole.any(1).sum(1),
        first_row,
        first_column,
    ):
        assert distance(measure(ours), measure(theirs)) < CRITICAL


def test_a_matrix_is_albumentations_own() -> None:
    arguments: dict[str, Any] = {
        "translate_percent": [-0.3, 0.3], "scale": [0.5, 1.5], "rotate": [-90, 90], "shear": [-20, 20]
    }  # fmt: skip
    affine = build(TransformSpec(name="Affine", p=1, arguments=arguments))
    (batched,) = augmenter([TransformSpec(name="Affine", p=1, arguments=arguments)], 1, 3).transforms  # type: ignore[union-attr]
    assert isinstance(batched, Affine)
    uniform = np.random.default_rng(0).random((50, batched.draws))
    for row, matrix in zip(uniform, batched.matrices(uniform, 24, 32), strict=True):
        own = albumentations.augmentations.geometric.functional.create_affine_transformation_matrix(
            {"x": int(-0.3 * 32 + 0.6 * 32 * row[1]), "y": int(-0.3 * 24 + 0.6 * 24 * row[2])},
            {"x": -(-20 + 40 * row[6]), "y": -(-20 + 40 * row[7])},
            {"x": 0.5 + row[3], "y": 0.5 + row[4]},
            -90 + 180 * row[5],
            (15.5, 11.5),
        )
        assert np.allclose(matrix, own[:2], atol=1e-9)
        image = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        theirs = affine.apply(image, matrix=own, output_shape=(24, 32))
        ours = image[None].copy()
        batched(ours, row[None])
        assert np.abs(ours[0].astype(int) - theirs).max() <= 1


def test_an_image_is_augmented_alike_alone_and_among_others(assignment: AssignmentSpec, few: Data) -> None:
    augment = augmenter(assignment.recipe.augmentation, 7, 3)
    images = few.train.images[:8]
    together = augment(images, epoch=2, indices=range(100, 108))
    alone = augmenter(assignment.recipe.augmentation, 7, 3)(images[5:6], epoch=2, indices=[105])
    assert np.array_equal(together[5], alone[0])
    assert np.array_equal(augment(images[::-1], epoch=2, indices=range(107, 99, -1))[::-1], together)
    assert not np.array_equal(augment(images, epoch=3, indices=range(100, 108)), together)
    assert not np.array_equal(
        augmenter(assignment.recipe.augmentation, 8, 3)(images, epoch=2, indices=range(8)), together
    )


def test_a_transform_more_leaves_the_others_as_they_were(few: Data) -> None:
    flip = TransformSpec(name="HorizontalFlip", p=0.5)
    never = TransformSpec(name="Affine", p=0.0, arguments={"translate_percent": [0.1, 0.1]})
    images = few.train.images[:32]
    alone = augmenter([flip], 7, 3)(images, epoch=0, indices=range(32))
    assert np.array_equal(augmenter([flip, never], 7, 3)(images, epoch=0, indices=range(32)), alone)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("VerticalFlip", {}),
        ("Affine", {"translate_percent": [0.0, 0.1], "keep_ratio": True}),
        ("Affine", {"translate_px": [0, 3]}),
        ("CoarseDropout", {"num_holes_range": [1, 2]}),
        ("CoarseDropout", {"num_holes_range": [1, 1], "hole_height_range": [0.1, 0.2]}),
        ("CoarseDropout", {**HOLE, "fill": "random"}),
    ],
)
def test_what_cannot_be_batched_is_left_to_albumentations(name: str, arguments: dict[str, Any]) -> None:
    flip = TransformSpec(name="HorizontalFlip", p=0.5)
    chosen = augmenter([flip, TransformSpec(name=name, p=0.5, arguments=arguments)], 1, 3)
    assert isinstance(chosen, Augmenter)


# Private functions


def differences(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> tuple[float, float]:
    """Largest difference of a pixel's mean, in standard errors, and of its variance, as a share."""
    one, other = (images.reshape(DRAWS, -1).astype(np.float64) for images in (ours, theirs))
    error = np.sqrt((one.var(0) + other.var(0)) / DRAWS)
    z = (one.mean(0) - other.mean(0)) / error
    return float(np.abs(z).max()), float(np.abs(one.var(0) / other.var(0) - 1).max())


def measured(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Centre of mass and spread of what is bright, and whether it is on the left."""
    mass = images[..., 0].astype(np.float64) + 1e-9
    total = mass.sum((1, 2))
    places = np.arange(images.shape[1])
    x, y = (mass.sum(1) @ places) / total, (mass.sum(2) @ places) / total
    spread_x, spread_y = (np.sqrt(np.maximum((mass.sum(axis) @ places**2) / total - centre**2, 0))
                          for axis, centre in ((1, x), (2, y)))  # fmt: skip
    found = {"x": x, "y": y, "spread_x": spread_x, "spread_y": spread_y, "left": (x < 15).astype(np.float64)}
    return {key: np.round(value, 6) for key, value in found.items()}


def distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Kolmogorov-Smirnov distance of two samples, scaled."""
    values = np.union1d(one, other)
    shares = [np.searchsorted(np.sort(sample), values, side="right") / len(sample) for sample in (one, other)]
    return float(
        np.abs(shares[0] - shares[1]).max() * np.sqrt(len(one) * len(other) / (len(one) + len(other)))
    )


def first_row(hole: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.where(hole.any((1, 2)), hole.any(2).argmax(1), -1)


def first_column(hole: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.where(hole.any((1, 2)), hole.any(1).argmax(1), -1)


GREY: dict[str, dict[str, Any]] = {
    "Affine": {"rotate": [-15, 15], "translate_percent": [-0.1, 0.1], "fill": [120, 150, 180]},
    "CoarseDropout": {"num_holes_range": [1, 1], "hole_height_range": [4, 9], "hole_width_range": [4, 9],
                      "fill": [120, 150, 180]},
    "Rotate": {"fill": [120, 150, 180]}, "ColorJitter": {}, "HorizontalFlip": {},
    "RandomBrightnessContrast": {}, "ToGray": {}, "VerticalFlip": {},
}  # fmt: skip


@pytest.mark.parametrize("name", GREY)
def test_grey_images_stay_grey_images(name: str) -> None:
    images = np.zeros((8, 28, 28, 1), np.uint8)
    spec = TransformSpec.model_validate({"name": name, "p": 1, "arguments": GREY[name]})
    out = augmenter([spec], 1, 1)(images, epoch=0, indices=range(8))
    assert out.shape == images.shape
    if "fill" in GREY[name]:
        assert out.max() == 150


@pytest.mark.parametrize("name", ["Affine", "CoarseDropout", "HorizontalFlip"])
def test_a_grey_image_is_augmented_as_a_colour_of_equal_parts_is(name: str) -> None:
    arguments = {key: value for key, value in GREY[name].items() if key != "fill"}
    spec = TransformSpec.model_validate({"name": name, "p": 0.7, "arguments": arguments})
    grey = np.random.default_rng(0).integers(0, 256, (32, 28, 28, 1), dtype=np.uint8)
    one = augmenter([spec], 5, 1)(grey, epoch=3, indices=range(32))
    three = augmenter([spec], 5, 3)(np.repeat(grey, 3, axis=3), epoch=3, indices=range(32))
    assert np.array_equal(np.repeat(one, 3, axis=3), three)
