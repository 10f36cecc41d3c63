"""From stored pixels to the network's input: the same for training and for measuring."""

import torch
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.training.images.statistics import Stats


class Pixels:
    """Move, normalise and, while training small, resize a batch of images."""

    def __init__(
        self, stats: Stats, device: torch.device, memory_format: torch.memory_format = torch.channels_last
    ) -> None:
        """Set the `stats` to normalise with; the batches come out on `device` in `memory_format`."""
        self._mean = torch.tensor(stats.mean, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self._std = torch.tensor(stats.std, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self.memory_format = memory_format
        self.device = device

    def __call__(self, images: torch.Tensor, size_px: int | None = None) -> torch.Tensor:
        """Convert (N, H, W, C) uint8 into (N, C, size_px, size_px) float32, by default of the same size."""
        # A permuted NHWC batch already is channels_last: nothing is copied but to widen the numbers.
        x = images.permute(0, 3, 1, 2).to(self.device, torch.float32)
        x = x.div_(255).sub_(self._mean).div_(self._std)
        if size_px is not None and size_px != x.shape[-1]:
            x = F.interpolate(
                x, size=(size_px, size_px), mode="bilinear", antialias=True, align_corners=False
            )
        return x.contiguous(memory_format=self.memory_format)
