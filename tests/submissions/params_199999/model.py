"""199,999 parameters: passes."""

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
        self.s1 = block(16, 28, stride=2)
        self.dw = nn.Conv2d(28, 28, 3, padding=1, groups=28, bias=False)
        self.pw = block(28, 76, kernel=1)
        self.act = nn.PReLU()
        self.s2 = block(76, 64, stride=2)
        self.s3 = block(64, 100, stride=2)
        self.dil = block(100, 100, dilation=2)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(100, 10)

    def forward(self, x):
        x = self.s1(self.c1(x))
        x = self.act(self.pw(self.dw(x)))
        x = self.s3(self.s2(x))
        x = self.dil(x)
        return self.fc(self.gap(x).flatten(1))
