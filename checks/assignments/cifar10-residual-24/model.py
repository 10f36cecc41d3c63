"""CIFAR-10 as prep, layer1 + res, layer2, layer3 + res, pool, FC (a narrow DavidNet): 927,000 parameters."""

from torch import Tensor, nn


class ConvBlock(nn.Sequential):
    """3x3 convolution, max-pool if asked for, batch-norm, ReLU; only the pool changes the map's size."""

    def __init__(self, c_in: int, c_out: int, *, pool: bool = False) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, 3, padding=1, bias=False),
            nn.MaxPool2d(2) if pool else nn.Identity(),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two convolutions, and the input added to what comes out of them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(ConvBlock(channels, channels), ConvBlock(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return x + self.body(x)


class Net(nn.Module):
    """Eight convolutions, 32 -> 16 -> 8 -> 4 px, a max-pool over the last map and one classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.prep = ConvBlock(3, 24)
        self.layer1 = nn.Sequential(ConvBlock(24, 48, pool=True), Residual(48))
        self.layer2 = ConvBlock(48, 96, pool=True)
        self.layer3 = nn.Sequential(ConvBlock(96, 192, pool=True), Residual(192))
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.fc = nn.Linear(192, 10, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 32, 32) to logits (N, 10)."""
        x = self.layer3(self.layer2(self.layer1(self.prep(x))))
        return self.fc(self.pool(x).flatten(1))
