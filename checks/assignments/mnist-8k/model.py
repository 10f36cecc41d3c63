"""MNIST under 8,000 parameters: 7,770, most of them in depthwise-separable convolutions."""

from torch import Tensor, nn


class Separable(nn.Sequential):
    """Depthwise 3x3, pointwise 1x1, max-pool if asked for, batch-norm, ReLU."""

    def __init__(self, c_in: int, c_out: int, *, pool: bool = False) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_in, 3, padding=1, groups=c_in, bias=False),
            nn.Conv2d(c_in, c_out, 1, bias=False),
            nn.MaxPool2d(2) if pool else nn.Identity(),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
        )


class Net(nn.Module):
    """A 5x5 convolution and four separable ones, 28 -> 14 -> 7 px, the average, a 1x1 convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 16, 5, padding=2, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
        )
        self.c1 = Separable(16, 32)
        self.c2 = Separable(32, 32, pool=True)
        self.c3 = Separable(32, 48)
        self.c4 = Separable(48, 48)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Conv2d(48, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 1, 28, 28) to logits (N, 10)."""
        x = self.c4(self.c3(self.c2(self.c1(self.stem(x)))))
        return self.head(self.gap(x)).flatten(1)
