"""MNIST under 10,000 parameters, one network with three normalisations: batch, layer, group."""

from collections.abc import Callable

from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


def layer_norm(channels: int) -> nn.Module:
    """Return layer normalisation of an image's whole map: group normalisation with one group."""
    return nn.GroupNorm(1, channels)


def group_norm(channels: int) -> nn.Module:
    """Group normalisation in groups of eight channels."""
    return nn.GroupNorm(channels // 8, channels)


class Separable(nn.Sequential):
    """Depthwise 3x3, pointwise 1x1, max-pool if asked for, normalisation, ReLU."""

    def __init__(self, c_in: int, c_out: int, norm: Norm, *, pool: bool = False) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_in, 3, padding=1, groups=c_in, bias=False),
            nn.Conv2d(c_in, c_out, 1, bias=False),
            nn.MaxPool2d(2) if pool else nn.Identity(),
            norm(c_out),
            nn.ReLU(inplace=True),
        )


class Net(nn.Module):
    """One 5x5 convolution and four separable ones, 28 -> 14 -> 7 px; batch normalisation."""

    def __init__(self, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 16, 5, padding=2, bias=False), nn.MaxPool2d(2), norm(16), nn.ReLU(inplace=True)
        )
        self.c1 = Separable(16, 32, norm)
        self.c2 = Separable(32, 40, norm, pool=True)
        self.c3 = Separable(40, 48, norm)
        self.c4 = Separable(48, 64, norm)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Conv2d(64, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 1, 28, 28) to logits (N, 10)."""
        x = self.c4(self.c3(self.c2(self.c1(self.stem(x)))))
        return self.head(self.gap(x)).flatten(1)


class NetLayerNorm(Net):
    """The same with layer normalisation."""

    def __init__(self) -> None:
        super().__init__(layer_norm)


class NetGroupNorm(Net):
    """The same with group normalisation."""

    def __init__(self) -> None:
        super().__init__(group_norm)
