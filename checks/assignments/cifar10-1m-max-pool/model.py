"""CIFAR-10 under a million parameters (150,986): three max-pools, separable and dilated convolutions."""

from torch import Tensor, nn


class ConvBlock(nn.Sequential):
    """3x3 convolution, max-pool if asked for, batch-norm, ReLU; only the pool changes the map's size."""

    def __init__(self, c_in: int, c_out: int, *, dilation: int = 1, pool: bool = False) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, 3, padding=dilation, dilation=dilation, bias=False),
            nn.MaxPool2d(2) if pool else nn.Identity(),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
        )


class Separable(nn.Sequential):
    """Depthwise 3x3, pointwise 1x1, batch-norm, ReLU; the map keeps its size."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_in, 3, padding=1, groups=c_in, bias=False),
            nn.Conv2d(c_in, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
        )


class Net(nn.Module):
    """Four blocks, 32 -> 16 -> 8 -> 4 px, the global average and a classifier; receptive field 70 px."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = ConvBlock(3, 32, pool=True)
        self.block2 = ConvBlock(32, 64, pool=True)
        self.block3 = nn.Sequential(Separable(64, 96), ConvBlock(96, 96, dilation=2, pool=True))
        self.block4 = nn.Sequential(Separable(96, 128), Separable(128, 192))
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(192, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 32, 32) to logits (N, 10)."""
        x = self.block4(self.block3(self.block2(self.block1(x))))
        return self.fc(self.gap(x).flatten(1))
