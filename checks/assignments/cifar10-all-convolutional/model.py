"""CIFAR-10 with convolutions alone: strides in place of pools, a map for each class, and its average."""

from torch import Tensor, nn


class ConvBlock(nn.Sequential):
    """3x3 convolution, batch-norm, ReLU; a stride of 2 halves height and width."""

    def __init__(self, c_in: int, c_out: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, stride=stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
        )


class Net(nn.Module):
    """Eight convolutions, 32 -> 16 -> 8 -> 4 px, and one that makes a map for each class."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = nn.Sequential(ConvBlock(3, 24), ConvBlock(24, 32, stride=2))
        self.block2 = nn.Sequential(ConvBlock(32, 48), ConvBlock(48, 64, stride=2), nn.Dropout(0.1))
        self.block3 = nn.Sequential(ConvBlock(64, 64), ConvBlock(64, 96, stride=2), nn.Dropout(0.1))
        self.block4 = ConvBlock(96, 96, kernel=1)
        self.maps = nn.Conv2d(96, 10, 1)
        self.gap = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 32, 32) to logits (N, 10)."""
        x = self.block4(self.block3(self.block2(self.block1(x))))
        return self.gap(self.maps(x)).flatten(1)
