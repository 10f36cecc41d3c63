"""The source of a training step's batch: the host, or the images that lie on the device.

Both give the same images in the same order, the same function of (seed, epoch, index); pixels that the
augmentation of either interpolates differ by one grey level at most. A recorded step reads its batch where
the first one lay: see `harness.training.cuda.capture`.
"""

from collections.abc import Iterator
from typing import Protocol

import torch

from harness.record.trainings import Augmented
from harness.training.images.batch_augmentation import BatchAugmenter
from harness.training.images.batches import Batch, Batches, stream

RESIDENT_MIB = 8_192
"""Most that training images may take of a device; larger sets are sent batch by batch."""


class Feed(Protocol):
    """The batches of a training, in order."""

    @property
    def augmented(self) -> Augmented:
        """The way in which the images are augmented."""

    def begin(self, epoch: int) -> None:
        """Go to the first batch of an epoch, counted from 0."""

    def advance(self) -> None:
        """Prepare on the host what a step needs."""

    def batch(self) -> Batch:
        """Return the step's images (N, H, W, C) uint8 and labels (N,) int64, on the device."""


def feed(batches: Batches, steps: range, workers: int, device: torch.device, *, resident: bool) -> Feed:
    """Choose how the batches of `steps` of a training come to `device`.

    They come from the device itself if they are to be `resident`, fit, and can be augmented there.
    """
    augment = batches.device_augmenter
    if resident and augment is not None and batches.split.images.nbytes <= RESIDENT_MIB * 2**20:
        return DeviceFeed(batches, augment, device)
    return HostFeed(batches, stream(batches, steps.start, steps.stop, workers), device)


class HostFeed:
    """Batches that the host augments, each in the memory of the one before."""

    def __init__(self, batches: Batches, stretch: Iterator[Batch], device: torch.device) -> None:
        self.augmented: Augmented = batches.augment.manner
        self._stretch = stretch
        self._device = device
        self._batch: Batch | None = None

    def begin(self, epoch: int) -> None:
        """Start an epoch: the stream goes on from the one before."""

    def advance(self) -> None:
        """Wait for the next batch, and send it to where the last one was."""
        fresh = next(self._stretch)
        if self._batch is None:
            self._batch = fresh[0].to(self._device), fresh[1].to(self._device)
            return
        for place, values in zip(self._batch, fresh, strict=True):
            pinned = values.pin_memory() if self._device.type == "cuda" else values
            place.copy_(pinned, non_blocking=True)

    def batch(self) -> Batch:
        """Return the next batch."""
        assert self._batch is not None
        return self._batch


class DeviceFeed:
    """Batches that the device itself takes from the training images and augments; the host says nothing.

    The order of an epoch and what its augmentation draws are made on the host, as for a `HostFeed`, and sent
    once an epoch. Which step it is the device counts.
    """

    augmented: Augmented = "on the device"

    def __init__(self, batches: Batches, augment: BatchAugmenter, device: torch.device) -> None:
        self._batches, self._augment = batches, augment
        self._images = torch.from_numpy(batches.split.images).to(device)
        self._labels = torch.from_numpy(batches.split.labels).to(device)
        self._step = torch.zeros(1, dtype=torch.int64, device=device)
        self._drawn = [values.to(device) for values in self._of_epoch(0)]

    def begin(self, epoch: int) -> None:
        """Send the order and the parameters of an epoch to where those of the last one were."""
        self._step.zero_()
        for place, values in zip(self._drawn, self._of_epoch(epoch), strict=True):
            place.copy_(values)

    def advance(self) -> None:
        """Advance nothing: all is on the device."""

    def batch(self) -> Batch:
        """Return the next batch."""
        order, *parameters = self._drawn
        chosen = order.index_select(0, self._step)[0]
        self._step += 1
        images = self._images.index_select(0, chosen)
        drawn = [numbers.index_select(0, chosen) for numbers in parameters]
        return self._augment.on_device(images, drawn), self._labels.index_select(0, chosen)

    def _of_epoch(self, epoch: int) -> list[torch.Tensor]:
        images, height, width, _ = self._batches.split.images.shape
        parameters = self._augment.parameters(epoch, images, height, width)
        return [torch.from_numpy(self._batches.order(epoch)), *parameters]
