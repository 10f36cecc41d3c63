"""Images that show what a training did: test images with their predictions, training images augmented.

One file of NumPy arrays, a function of the training alone; read by `harness.report.plots.samples`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.base.files import atomic_file
from harness.base.seeds import seed_for
from harness.datasets.images import Split
from harness.datasets.metrics import IMAGES
from harness.settings.recipe import RecipeSpec
from harness.training.images.batch_augmentation import augmenter
from harness.training.images.batches import permutation

EPOCHS = 4
"""Epochs whose augmentation is shown."""

Arrays = Mapping[str, NDArray[Any]]


def write_samples(path: Path, arrays: Arrays) -> None:
    """Write arrays as an uncompressed ``.npz``: equal arrays give equal bytes, and nothing is pickled."""
    with atomic_file(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def augmented(
    split: Split, recipe: RecipeSpec, seed: int, images: int = IMAGES, epochs: int = EPOCHS
) -> dict[str, NDArray[Any]]:
    """Augment the first images of a training as its first epochs do.

    ``train_indices`` (N,), ``train_images`` (N, H, W, C) uint8, ``train_labels`` (N,) and
    ``train_augmented`` (N, epochs, H, W, C) uint8. `seed` is the training's.
    """
    indices = permutation(len(split.labels), seed_for(seed, "shuffle"), 0)[:images]
    augment = augmenter(recipe.augmentation, seed_for(seed, "augment"), split.images.shape[3])
    originals = split.images[indices]
    drawn = [augment(originals, epoch=epoch, indices=indices) for epoch in range(epochs)]
    return {
        "train_indices": indices,
        "train_images": originals,
        "train_labels": split.labels[indices],
        "train_augmented": np.stack(drawn, axis=1),
    }
