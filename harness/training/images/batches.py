"""The training batches: which images, in which order, augmented how, as a function of (seed, step)."""

import sys
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from harness.base.seeds import seed_for
from harness.datasets.images import Split
from harness.settings.recipe import RecipeSpec
from harness.training.images.batch_augmentation import BatchAugmenter, augmenter

Batch = tuple[torch.Tensor, torch.Tensor]


class Batches(Dataset[Batch]):
    """Item `step` is batch ``step % steps_per_epoch`` of epoch ``step // steps_per_epoch``.

    An item is images (N, H, W, C) uint8 and labels (N,) int64. What is left of an epoch after the
    last full batch is dropped.
    """

    def __init__(self, split: Split, recipe: RecipeSpec, seed: int) -> None:
        self.split = split
        self._size = recipe.batch_size
        self._shuffle_seed = seed_for(seed, "shuffle")
        self.augment = augmenter(recipe.augmentation, seed_for(seed, "augment"), split.images.shape[3])
        self._order: tuple[int, NDArray[np.int64]] | None = None
        self.steps_per_epoch = len(split.labels) // recipe.batch_size

    def __getitem__(self, step: int) -> Batch:
        """Return the batch of one step of the whole training, counted from 0."""
        epoch, k = divmod(step, self.steps_per_epoch)
        chosen = self.order(epoch)[k]
        images = self.augment(self.split.images[chosen], epoch=epoch, indices=chosen)
        return torch.from_numpy(images), torch.from_numpy(self.split.labels[chosen])

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the (steps_per_epoch, batch size) places in the split of an epoch's images."""
        if self._order is None or self._order[0] != epoch:
            order = permutation(len(self.split.labels), self._shuffle_seed, epoch)
            full = order[: self.steps_per_epoch * self._size]
            self._order = (epoch, full.reshape(self.steps_per_epoch, self._size))
        return self._order[1]

    @property
    def device_augmenter(self) -> BatchAugmenter | None:
        """The augmentation, if it can run on images that lie on a device."""
        found = self.augment if isinstance(self.augment, BatchAugmenter) else None
        return found if found is not None and found.has_device_form else None


def permutation(images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Order the images of one epoch (counted from 0): a function of the arguments alone."""
    bits = np.random.Philox(key=seed, counter=[0, 0, 0, epoch])
    return np.random.Generator(bits).permutation(images)


def stream(batches: Batches, first: int, end: int, workers: int) -> Iterator[Batch]:
    """Yield the batches of steps `first` to `end`, prepared by `workers` processes or in this one.

    One loader serves the whole training, so that workers prepare the next epoch while this one is
    measured. Each worker gives torch one thread.
    """
    loader: DataLoader[Batch] = DataLoader(
        batches,
        sampler=range(first, end),
        batch_size=None,
        num_workers=workers,
        # Forked workers share the images; other start methods would copy them.
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        # Of its own: the loader draws a number that the batches never use.
        generator=torch.Generator(),
    )
    return iter(loader)
