"""Little networks, each of which does what some assignments forbid. `harness assignment check` exports them.

Every one maps images (N, channels, H, W) to logits (N, num_classes); `width` makes one that is too large.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv(
    c_in: int, c_out: int, kernel: int = 3, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    """Return a convolution that keeps the size but for its stride, batch-norm, ReLU."""
    padding = dilation * (kernel // 2)
    layer = nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(c_out), nn.ReLU())


class Pointwise(nn.Module):
    """Looks at single pixels: one 1x1 convolution, no normalisation, no activation."""

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).mean((2, 3))


class TooLarge(nn.Module):
    """Has a hidden layer as wide as it takes to exceed a limit on parameters."""

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()
        self.features = conv(channels, 16, stride=2)
        self.hidden = nn.Linear(16, width)
        self.wide = nn.Linear(width, width)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.hidden(self.features(x).mean((2, 3))))
        return self.fc(F.relu(self.wide(x)))


class MaxPooled(nn.Module):
    """Pools by maxima, and has fully connected layers over positions: and dropout."""

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv(channels, 16), conv(16, 16), nn.MaxPool2d(2), conv(16, 32), conv(32, 32), nn.MaxPool2d(2)
        )
        self.head = nn.Sequential(
            nn.AdaptiveMaxPool2d(2),
            nn.Flatten(),
            nn.Linear(128, 32),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(32, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class Residual(nn.Module):
    """Adds shortcuts: identity and projected ones, under group norm, GELU, average pooling."""

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 16, 3, padding=1)
        self.norm1, self.conv1 = nn.GroupNorm(4, 16), nn.Conv2d(16, 16, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(4, 16), nn.Conv2d(16, 32, 3, padding=1)
        self.shortcut = nn.Conv2d(16, 32, 1)
        self.fc = nn.Linear(32, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.conv1(F.gelu(self.norm1(x)))
        x = self.shortcut(x) + self.conv2(F.gelu(self.norm2(x)))
        return self.fc(F.avg_pool2d(x, 2).mean((2, 3)))


class Separable(nn.Module):
    """Never shrinks its maps: depthwise and dilated convolutions from the first layer on, layer norm."""

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 24, 1)
        self.depthwise = nn.ModuleList(
            nn.Conv2d(24, 24, 3, padding=d, dilation=d, groups=24) for d in (8, 4, 2)
        )
        self.pointwise = nn.ModuleList(nn.Conv2d(24, 24, 1) for _ in range(3))
        self.norm = nn.ModuleList(nn.LayerNorm(24) for _ in range(3))
        self.fc = nn.Linear(24, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for depthwise, pointwise, norm in zip(self.depthwise, self.pointwise, self.norm, strict=True):
            x = F.silu(pointwise(depthwise(x)))
            x = norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.fc(x.mean((2, 3)))


class Strided(nn.Module):
    """Shrinks its maps by odd convolutions: 5x5, 1x1, grouped, and one with strides of 1 and 2."""

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()
        self.one_sided = nn.Conv2d(16, 16, 3, stride=(1, 2), padding=1)
        self.features = nn.Sequential(
            conv(channels, 16, 5, 2), conv(16, 16, 1, 2), self.one_sided, conv(16, 32, 3, 2, groups=4)
        )
        self.head = nn.Conv2d(32, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x)).mean((2, 3))


class Deep(nn.Module):
    """Has forty convolutions at full size: many multiplications, and an enormous receptive field."""

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(conv(channels, 32), *(conv(32, 32, dilation=2) for _ in range(39)))
        self.fc = nn.Linear(32, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).mean((2, 3)))


class Repeated(nn.Module):
    """Runs one convolution three times: also instance norm, attention, a transposed convolution."""

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 16, 4, stride=4)
        self.again = nn.Conv2d(16, 16, 3, padding=1)
        self.norm = nn.InstanceNorm2d(16, affine=True)
        self.up = nn.ConvTranspose2d(16, 16, 2, stride=2)
        self.query, self.key, self.value = (nn.Linear(32, 32) for _ in range(3))
        self.fc = nn.Linear(32, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for _ in range(3):
            x = torch.tanh(self.norm(self.again(x)))
        x = F.avg_pool2d(self.up(x), 2)
        words = torch.cat([x, x.flip(1)], 1).flatten(2).transpose(1, 2)
        x = F.scaled_dot_product_attention(self.query(words), self.key(words), self.value(words))
        return self.fc(x.mean(1))


class Dropping(nn.Module):
    """Drops values in evaluation too: its answer to an image depends on chance."""

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(conv(channels, 16, stride=2), conv(16, 32, stride=2))
        self.fc = nn.Linear(32, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(self.features(x).mean((2, 3)), 0.5, training=True)
        return F.log_softmax(self.fc(x), 1)
