"""Images of another size or in other colours."""

import numpy as np

from harness.datasets.dataset import Shape
from harness.datasets.images import Images

_LUMA = np.array([19_595, 38_470, 7_471], dtype=np.uint32)
"""Shares of red, green and blue in grey, in 65,536ths. Source: ITU-R BT.601, as Pillow rounds it."""


def shaped(images: Images, shape: Shape) -> Images:
    """Resize images (N, H, W, C) and turn them grey or into RGB, so that one is of `shape` (C, H, W)."""
    channels, height, width = shape
    if images.shape[3] != channels:
        images = _in_grey(images) if channels == 1 else np.repeat(images, channels, axis=3)
    return images if images.shape[1:3] == (height, width) else _resized(images, height, width)


# Private functions


def _in_grey(images: Images) -> Images:
    grey: Images = ((images.astype(np.uint32) @ _LUMA + 0x8000) >> 16).astype(np.uint8)
    return grey[..., None]


def _resized(images: Images, height: int, width: int) -> Images:
    """Resize by averages of neighbours (a triangle filter that grows as the image shrinks)."""
    from PIL import Image  # takes a while, and most data has its size

    out = np.empty((len(images), height, width, images.shape[3]), np.uint8)
    for row, image in enumerate(images):
        picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
        smaller = picture.resize((width, height), Image.Resampling.BILINEAR)
        out[row] = np.asarray(smaller).reshape(out.shape[1:])
    return out
