"""Images that show what a training did: test images with their predictions, training images augmented.

One file of NumPy arrays, a function of the training alone; read by `harness.reporting.plots.samples`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.files import atomic_file
from harness.recipe import RecipeSpec
from harness.seeds import seed_for
from harness.training.augment import Augmenter
from harness.training.batches import permutation
from harness.training.data import Split

IMAGES = 16
"""Images of each kind."""
EPOCHS = 4
"""Epochs whose augmentation is shown."""

Arrays = Mapping[str, NDArray[Any]]


def write_samples(path: Path, arrays: Arrays) -> None:
    """Write arrays as an uncompressed ``.npz``: equal arrays give equal bytes, and nothing is pickled."""
    with atomic_file(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def classified(split: Split, logits: torch.Tensor) -> dict[str, NDArray[Any]]:
    """Choose test images by what a network made of them; `logits` are (N, classes), in the split's order.

    ``test_*`` are evenly spaced in the split, ``wrong_*`` those it got wrong with the highest
    probability. Of each: ``indices`` in the split (int64), ``images`` (N, H, W, C) uint8, ``labels``
    (int64) and ``probabilities`` (N, classes) float32.
    """
    probabilities = torch.softmax(logits.detach().cpu().float(), dim=1).numpy()
    predicted = logits.detach().cpu().argmax(1).numpy()
    (wrong,) = np.nonzero(predicted != split.labels)
    confidence = probabilities[wrong, predicted[wrong]]
    chosen = {
        "test": np.arange(min(IMAGES, len(split.labels))) * max(len(split.labels) // IMAGES, 1),
        "wrong": wrong[np.argsort(-confidence, kind="stable")][:IMAGES],
    }
    return {
        f"{kind}_{what}": values
        for kind, indices in chosen.items()
        for what, values in {
            "indices": indices.astype(np.int64),
            "images": split.images[indices],
            "labels": split.labels[indices],
            "probabilities": probabilities[indices],
        }.items()
    }


def augmented(
    split: Split, recipe: RecipeSpec, seed: int, images: int = IMAGES, epochs: int = EPOCHS
) -> dict[str, NDArray[Any]]:
    """Augment the first images of a training as its first epochs do.

    ``train_indices`` (N,), ``train_images`` (N, H, W, C) uint8, ``train_labels`` (N,) and
    ``train_augmented`` (N, epochs, H, W, C) uint8. `seed` is the training's.
    """
    indices = permutation(len(split.labels), seed_for(seed, "shuffle"), 0)[:images]
    augment = Augmenter(recipe.augmentation, seed_for(seed, "augment"))
    originals = split.images[indices]
    drawn = [augment(originals, epoch=epoch, indices=indices) for epoch in range(epochs)]
    return {
        "train_indices": indices,
        "train_images": originals,
        "train_labels": split.labels[indices],
        "train_augmented": np.stack(drawn, axis=1),
    }
