"""Grouped convolutions on a CPU: right where oneDNN's own are not, and faster.

At dilation d the pixels of one residue modulo d never meet those of another. Taken apart into d * d small
images each, the convolution is one without dilation, for which oneDNN has fast kernels. Those it falls back
on for dilation are slow, most of all where the processor has AVX2 alone. In bfloat16 they are wrong too: at
32x32 px in channels_last, torch 2.14.1 reads memory that was never written for the gradient of the weight,
and gives NaN or is off by 130 %, by another amount each time.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 - the field's name for it


def grouped(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a grouped convolution that is folded where it is depthwise and dilated, on a CPU.

    One that cannot be folded is `call` itself, under autocast in float32.
    """

    def run(image: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        device = image.device.type
        if call is torch.ops.aten.conv2d.default and device == "cpu" and not kwargs:
            folded = _folded_conv2d(image, *args)
            if folded is not None:
                return folded
        if image.is_meta or not torch.is_autocast_enabled(device):
            return call(image, *args, **kwargs)
        with torch.autocast(device, enabled=False):
            return call(image.float(), *args, **kwargs)

    return run


# Private functions


def _folded_conv2d(
    image: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> torch.Tensor | None:
    """Convolve images (N, C, H, W) as ``aten.conv2d`` does; None for one that cannot be folded."""
    d = dilation[0]
    square = len(set(dilation)) == 1 and set(stride) == {1}
    if d == 1 or not square or groups != image.shape[-3] or any(size % d for size in padding):
        return None
    # Zeros after the last pixel, as the padding has them: a whole number of pixels in each small image,
    # and no fewer than the kernel has, on which oneDNN takes three times as long.
    sides, kernel = image.shape[2:], weight.shape[2:]
    missing = [d * max(-(-side // d), k) - side for side, k in zip(sides, kernel, strict=True)]
    if any(missing):
        image = F.pad(image, (0, missing[1], 0, missing[0]))
    small = F.conv2d(_fold(image, d), weight, bias, padding=[size // d for size in padding], groups=groups)
    height, width = (
        side + 2 * pad - d * (k - 1) for side, pad, k in zip(sides, padding, kernel, strict=True)
    )
    return _unfold(small, d)[:, :, :height, :width]


def _fold(image: torch.Tensor, d: int) -> torch.Tensor:
    """Split (N, C, H, W) into (N * d * d, C, H / d, W / d), channels last."""
    n, c, h, w = image.shape
    rows = image.permute(0, 2, 3, 1).reshape(n, h // d, d, w // d, d, c)
    return rows.permute(0, 2, 4, 1, 3, 5).reshape(n * d * d, h // d, w // d, c).permute(0, 3, 1, 2)


def _unfold(image: torch.Tensor, d: int) -> torch.Tensor:
    """Join (N * d * d, C, h, w) again: (N, C, h * d, w * d), channels last."""
    n, c, h, w = image.shape
    rows = image.permute(0, 2, 3, 1).reshape(n // d**2, d, d, h, w, c)
    return rows.permute(0, 3, 1, 4, 2, 5).reshape(n // d**2, h * d, w * d, c).permute(0, 3, 1, 2)
