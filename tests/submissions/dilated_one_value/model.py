"""Variant dilated: dilation 6 throughout: fails, there must be two different ones."""

from torch import nn


def block(c_in, c_out, kernel=3, stride=1, dilation=1):
    padding = dilation * (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = block(3, 16)
        self.d2 = block(16, 16, dilation=6)
        self.d4 = block(16, 16, dilation=6)
        self.dw = nn.Conv2d(16, 16, 3, padding=6, dilation=6, groups=16, bias=False)
        self.pw = block(16, 32, kernel=1)
        self.d8 = block(32, 32, dilation=6)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        x = self.d4(self.d2(self.c1(x)))
        x = self.d8(self.pw(self.dw(x)))
        return self.fc(self.gap(x).flatten(1))
