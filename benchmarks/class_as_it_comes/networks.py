"""Nine networks such as students hand in, at the deciles of what 88 works for the shipped assignment cost.

In millions of multiply-adds an image: 2.5, 9, 13, 18, 24, 32, 54, 100 and 160. With and without strides, with
fixed and with global pools, heads of a linear layer and of a 1x1 convolution, plain, residual and depthwise,
with dropout and without; none has a max-pool.
"""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

CLASSES = 10


def plain(c_in: int, c_out: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )


def separable(c_in: int, c_out: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_in, 3, stride, dilation, dilation, groups=c_in, bias=False),
        nn.BatchNorm2d(c_in),
        nn.ReLU(),
        *plain(c_in, c_out, kernel=1),
    )


class Residual(nn.Module):
    """Two convolutions, and what they read added to what they make."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.inner = nn.Sequential(plain(channels, channels, dilation=dilation), plain(channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)


class Linear(nn.Module):
    """The mean of each channel, then one linear layer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Pointwise(nn.Module):
    """A pool of a fixed size over the whole map, then a 1x1 convolution."""

    def __init__(self, channels: int, pool: int) -> None:
        super().__init__()
        self.pool, self.conv = nn.AvgPool2d(pool), nn.Conv2d(channels, CLASSES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.pool(x)).flatten(1)


def early_strides() -> nn.Module:
    return nn.Sequential(
        plain(3, 16, stride=2), separable(16, 48), separable(48, 72, stride=2), separable(72, 112),
        separable(112, 144, stride=2), separable(144, 192), separable(192, 192, dilation=2), Linear(192),
    )  # fmt: skip


def strided() -> nn.Module:
    return nn.Sequential(
        plain(3, 16), plain(16, 32, stride=2), plain(32, 36), separable(36, 48), plain(48, 48, stride=2),
        separable(48, 80), plain(80, 64, stride=2), separable(64, 96), plain(96, 96, dilation=2),
        Pointwise(96, 4),
    )  # fmt: skip


def residual_strided() -> nn.Module:
    return nn.Sequential(
        plain(3, 16), plain(16, 36, stride=2), Residual(36), separable(36, 48), plain(48, 44, stride=2),
        Residual(44), plain(44, 64, stride=2), Residual(64, dilation=2), separable(64, 96), Linear(96),
    )  # fmt: skip


def separable_wide() -> nn.Module:
    return nn.Sequential(
        plain(3, 24), nn.Dropout(0.05), separable(24, 48), separable(48, 96), separable(96, 64, stride=2),
        separable(64, 112), separable(112, 112), separable(112, 112, stride=2), separable(112, 128),
        separable(128, 128, dilation=2), separable(128, 160, stride=2), Linear(160),
    )  # fmt: skip


def plain_strided() -> nn.Module:
    return nn.Sequential(
        plain(3, 16), plain(16, 32), nn.Dropout(0.05), plain(32, 40, stride=2), plain(40, 48), plain(48, 48),
        separable(48, 80), plain(80, 56, stride=2), plain(56, 56, dilation=2), separable(56, 96),
        Pointwise(96, 8),
    )  # fmt: skip


def four_blocks() -> nn.Module:
    return nn.Sequential(
        plain(3, 32), plain(32, 36), nn.Dropout(0.05), plain(36, 40, stride=2), plain(40, 48),
        nn.Dropout(0.05), plain(48, 48), separable(48, 72), plain(72, 64, stride=2),
        plain(64, 48, dilation=2), separable(48, 96), plain(96, 40, stride=2), plain(40, 40), Linear(40),
    )  # fmt: skip


def two_strides() -> nn.Module:
    return nn.Sequential(
        plain(3, 36), plain(36, 52), separable(52, 52), plain(52, 48, stride=2), Residual(48), Residual(48),
        separable(48, 64), plain(64, 48, stride=2), plain(48, 48, dilation=2), Pointwise(48, 8),
    )  # fmt: skip


def late_stride() -> nn.Module:
    return nn.Sequential(
        plain(3, 32), plain(32, 44), plain(44, 48), separable(48, 64), plain(64, 36, kernel=1),
        plain(36, 48, dilation=2), plain(48, 48, dilation=4), plain(48, 48, stride=2), separable(48, 96),
        plain(96, 64, dilation=2), Linear(64),
    )  # fmt: skip


def no_stride() -> nn.Module:
    return nn.Sequential(
        plain(3, 32), plain(32, 52), nn.Dropout(0.03), plain(52, 52), separable(52, 52, dilation=2),
        plain(52, 52, dilation=2), plain(52, 52, dilation=4), plain(52, 52, dilation=4),
        plain(52, 64, dilation=8), separable(64, 96, dilation=8), Pointwise(96, 32),
    )  # fmt: skip


NETWORKS = {
    one.__name__: one
    for one in (
        early_strides, strided, residual_strided, separable_wide, plain_strided, four_blocks, two_strides,
        late_stride, no_stride,
    )
}  # fmt: skip
"""From the cheapest to the dearest."""
