"""CIFAR-10 under 50,000 parameters, layout C1 C2 c3 P1 C4 C5 C6 c7 P2 C8 C9 C10 GAP C10: 46,602."""

from torch import Tensor, nn


class ConvBlock(nn.Sequential):
    """Convolution, batch-norm, ReLU; the map keeps its size."""

    def __init__(self, c_in: int, c_out: int, *, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
        )


class Net(nn.Module):
    """Ten convolutions and two max-pools, 32 -> 16 -> 8 px, the global average, a 1x1 convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = ConvBlock(3, 16)
        self.c2 = ConvBlock(16, 24)
        self.c3 = ConvBlock(24, 16, kernel=1)
        self.pool1 = nn.MaxPool2d(2)
        self.c4 = ConvBlock(16, 24)
        self.c5 = ConvBlock(24, 24)
        self.c6 = ConvBlock(24, 32)
        self.c7 = ConvBlock(32, 16, kernel=1)
        self.pool2 = nn.MaxPool2d(2)
        self.c8 = ConvBlock(16, 32)
        self.c9 = ConvBlock(32, 32)
        self.c10 = ConvBlock(32, 40)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Conv2d(40, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 32, 32) to logits (N, 10)."""
        x = self.pool1(self.c3(self.c2(self.c1(x))))
        x = self.pool2(self.c7(self.c6(self.c5(self.c4(x)))))
        x = self.c10(self.c9(self.c8(x)))
        return self.head(self.gap(x)).flatten(1)
