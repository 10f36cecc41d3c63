"""A starting point: it keeps every rule of the assignment, and has not learned to tell a cat from a dog.

Change it until it is yours. `harness check .` says which rule a change breaks, where, and what to do.
"""

from torch import Tensor, nn


def conv(c_in: int, c_out: int, stride: int = 1) -> nn.Sequential:
    """Return a 3x3 convolution, batch-norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )


def separable(c_in: int, c_out: int, dilation: int = 1) -> nn.Sequential:
    """Return a depthwise 3x3 convolution and a pointwise 1x1 convolution, batch-norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_in, 3, padding=dilation, dilation=dilation, groups=c_in, bias=False),
        nn.Conv2d(c_in, c_out, 1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )


class Net(nn.Module):
    """Three strided convolutions take 32x32 images to 4x4 maps; their average is classified."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.block1 = nn.Sequential(conv(3, 16), conv(16, 32, stride=2))
        self.block2 = nn.Sequential(separable(32, 48), conv(48, 48, stride=2))
        self.block3 = nn.Sequential(separable(48, 64), conv(64, 64, stride=2))
        self.block4 = separable(64, 96, dilation=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(96, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block4(self.block3(self.block2(self.block1(x))))
        return self.fc(self.pool(x).flatten(1))
