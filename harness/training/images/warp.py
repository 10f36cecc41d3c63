"""Affine maps of many images on a device: what OpenCV's ``warpAffine`` computes, in operators of torch.

Every operator is deterministic on CUDA: pixels are gathered, nothing is scattered. A colour is made of
numbers that are known beforehand, without a copy from the host, so that a CUDA graph can hold all of it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

# The numbers of OpenCV, which is not needed here.
NEAREST, LINEAR = 0, 1
CONSTANT, REPLICATE, REFLECT, WRAP, REFLECT_101 = range(5)
INTERPOLATIONS = (NEAREST, LINEAR)
BORDERS = (CONSTANT, REPLICATE, REFLECT, WRAP, REFLECT_101)


def inverted(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn (N, 2, 3) matrices from source to target into those from target to source; 0 if there is none."""
    (a, b), (c, d) = matrices[:, 0, :2].T, matrices[:, 1, :2].T
    determinant = a * d - b * c
    scale = np.divide(1, determinant, out=np.zeros_like(determinant), where=determinant != 0)
    linear = np.stack([d, -b, -c, a], axis=1).reshape(-1, 2, 2) * scale[:, None, None]
    return np.concatenate([linear, -linear @ matrices[:, :, 2:]], axis=2)


def colour(levels: Sequence[float], images: torch.Tensor) -> torch.Tensor:
    """Return the (C,) uint8 colour of `levels` where `images` (N, H, W, C) lie."""
    parts = [torch.full((1,), round(level), dtype=torch.uint8, device=images.device) for level in levels]
    return torch.cat(parts[: images.shape[3]])


def warped(
    images: torch.Tensor,
    matrices: torch.Tensor,
    interpolation: int,
    border_mode: int,
    fill: Sequence[float],
) -> torch.Tensor:
    """Sample images (N, H, W, C) uint8 at the places that `matrices` (N, 2, 3) float32 map each pixel to.

    `interpolation` and `border_mode` are among `INTERPOLATIONS` and `BORDERS`.
    """
    height, width = images.shape[1:3]
    y = torch.arange(height, dtype=torch.float32, device=images.device)[:, None]
    x = torch.arange(width, dtype=torch.float32, device=images.device)
    row_x, row_y = matrices[:, :, :, None, None].unbind(1)
    source_x, source_y = (x * row[:, 0] + (y * row[:, 1] + row[:, 2]) for row in (row_x, row_y))
    pixels = _Pixels(images, border_mode, colour(fill, images))
    if interpolation == NEAREST:
        return pixels.at(source_y.round(), source_x.round())
    top, left = source_y.floor(), source_x.floor()
    down, right = (source_y - top)[..., None], (source_x - left)[..., None]

    def row(y: torch.Tensor) -> torch.Tensor:
        one, other = (pixels.at(y, x).to(torch.float32) for x in (left, left + 1))
        return one + right * (other - one)

    above, below = row(top), row(top + 1)
    return (above + down * (below - above)).round().clamp(0, 255).to(torch.uint8)


# Private functions


class _Pixels:
    """The pixels of images, at any place."""

    def __init__(self, images: torch.Tensor, border_mode: int, fill: torch.Tensor) -> None:
        self._images, self._border_mode, self._fill = images, border_mode, fill

    def at(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return (N, H, W, C) uint8 at whole places (N, H, W)."""
        n, height, width, channels = self._images.shape
        # No image is as far from itself as this; a place beyond it would not fit into an integer.
        y, x = (place.clamp(-(2**20), 2**20).to(torch.int64) for place in (y, x))
        rows, columns = _inside(y, height, self._border_mode), _inside(x, width, self._border_mode)
        places = (rows * width + columns).view(n, -1, 1).expand(-1, -1, channels)
        found = self._images.view(n, -1, channels).gather(1, places).view(self._images.shape)
        if self._border_mode != CONSTANT:
            return found
        return torch.where(((rows == y) & (columns == x))[..., None], found, self._fill)


def _inside(place: torch.Tensor, side: int, border_mode: int) -> torch.Tensor:
    """Map places outside of 0 ... side - 1 to the ones whose pixels stand there."""
    if border_mode in (CONSTANT, REPLICATE):
        return place.clamp(0, side - 1)
    if border_mode == WRAP:
        return place % side
    if border_mode == REFLECT:
        place = place % (2 * side)
        return torch.minimum(place, 2 * side - 1 - place)
    period = max(1, 2 * side - 2)
    place = place % period
    return torch.minimum(place, period - place)
