"""Two compact CIFAR-10 networks: no max-pooling, depthwise-separable convolutions, dilation.

`Net` downsamples with three 3x3 stride-2 convolutions (84,322 parameters, receptive field 55 px).
`NetDilated` never downsamples and widens its view by dilation alone (197,858 parameters, 45 px).
"""

from torch import Tensor, nn


class ConvBlock(nn.Module):
    """Convolution, batch-norm, ReLU; padded so that only the stride changes the map's size."""

    def __init__(self, c_in: int, c_out: int, *, kernel: int = 3, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(
            c_in, c_out, kernel, stride=stride, padding=padding, dilation=dilation, bias=False
        )
        self.bn = nn.BatchNorm2d(c_out)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class DWSeparable(nn.Module):
    """Depthwise 3x3, pointwise 1x1, batch-norm, ReLU."""

    def __init__(self, c_in: int, c_out: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.dw = nn.Conv2d(
            c_in,
            c_in,
            3,
            stride=stride,
            padding=dilation,
            dilation=dilation,
            groups=c_in,
            bias=False,
        )
        self.pw = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.bn = nn.BatchNorm2d(c_out)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.pw(self.dw(x))))


class Net(nn.Module):
    """C1 C2 C3 C4 O with three stride-2 convolutions: 32 -> 16 -> 8 -> 4 px, then the head."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.c1a = ConvBlock(3, 24)
        self.c1b = ConvBlock(24, 32)
        self.c1c = ConvBlock(32, 48, stride=2)

        self.c2a = DWSeparable(48, 64)
        self.c2b = DWSeparable(64, 80, stride=2)

        self.c3a = ConvBlock(80, 96, kernel=1)
        self.c3b = DWSeparable(96, 112, stride=2)

        self.c4a = DWSeparable(112, 128, dilation=2)
        self.c4b = ConvBlock(128, 128, kernel=1)

        self.gap = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(128, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c1c(self.c1b(self.c1a(x)))
        x = self.c2b(self.c2a(x))
        x = self.c3b(self.c3a(x))
        x = self.c4b(self.c4a(x))
        return self.fc(self.gap(x).flatten(1))


class NetDilated(nn.Module):
    """C1 C2 C3 C4 O at full resolution: dilation 2, 2, 4, 4, 8 instead of strides."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.c1a = ConvBlock(3, 24)
        self.c1b = ConvBlock(24, 32)

        self.c2a_dw = DWSeparable(32, 48, dilation=2)
        self.c2b_pw = ConvBlock(48, 48, kernel=1)
        self.c2c = ConvBlock(48, 64, dilation=2)

        self.c3a_pw = ConvBlock(64, 80, kernel=1)
        self.c3b = ConvBlock(80, 80, dilation=4)
        self.c3c = ConvBlock(80, 96, dilation=4)

        self.c4a = DWSeparable(96, 112, dilation=8)
        self.c4b_pw = ConvBlock(112, 112, kernel=1)

        self.gap = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(112, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c1b(self.c1a(x))
        x = self.c2c(self.c2b_pw(self.c2a_dw(x)))
        x = self.c3c(self.c3b(self.c3a_pw(x)))
        x = self.c4b_pw(self.c4a(x))
        return self.fc(self.gap(x).flatten(1))
