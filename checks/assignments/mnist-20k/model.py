"""MNIST under 20,000 parameters, without a fully connected layer: 16,474 parameters."""

from torch import Tensor, nn


class ConvBlock(nn.Sequential):
    """Convolution, max-pool if asked for, batch-norm, ReLU; only the pool changes the map's size."""

    def __init__(self, c_in: int, c_out: int, *, kernel: int = 3, pool: bool = False) -> None:
        # The pool stands before batch-norm and ReLU, which then have a quarter of the values to pass over.
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False),
            nn.MaxPool2d(2) if pool else nn.Identity(),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
        )


class Net(nn.Module):
    """Four convolutions, 28 -> 14 -> 7 px, the global average, and a 1x1 convolution to the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = ConvBlock(1, 16, kernel=5, pool=True)
        self.c2 = ConvBlock(16, 24)
        self.c3 = ConvBlock(24, 24, pool=True)
        self.c4 = ConvBlock(24, 32)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Conv2d(32, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 1, 28, 28) to logits (N, 10)."""
        x = self.c4(self.c3(self.c2(self.c1(x))))
        return self.head(self.gap(x)).flatten(1)
