"""A convolution that treats every channel on its own is one, whether its groups say so or not."""

import pytest
import torch
from torch import nn

from harness.graph.convolution import channelwise
from harness.graph.view import View
from harness.loader.export import architecture_of


class Net(nn.Module):
    """Eight channels, what `made` makes of them, and a head."""

    def __init__(self, made):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.doubled = nn.Conv2d(16, 8, 3, padding=1, groups=8)
        self.halves = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.single = nn.ModuleList([nn.Conv2d(1, 1, 3, padding=1) for _ in range(8)])
        self.fc, self._made = nn.Linear(8, 10), made

    def forward(self, x):
        return self.fc(self._made(self, self.stem(x)).mean((2, 3)))


def parts(n, x):
    return torch.cat([conv(x[:, i : i + 1]) for i, conv in enumerate(n.single)], 1)


CHANNELWISE = {
    "depthwise": (lambda n, x: n.depthwise(x), 1),
    "single channels": (parts, 8),
    "channels as images": (lambda n, x: n.single[0](x.view(-1, 1, 16, 16)).view(-1, 8, 16, 16), 1),
    "beside zeros": (lambda n, x: n.doubled(torch.stack([x, torch.zeros_like(x)], 2).flatten(1, 2)), 1),
    "beside copies": (lambda n, x: n.doubled(torch.stack([x, x], 2).flatten(1, 2)), 1),
}
PLAIN = {
    "groups": lambda n, x: n.halves(x),
    "one channel of all": lambda n, x: x * n.single[0](x.mean(1, keepdim=True)),
    "one single channel": lambda n, x: x * n.single[0](x[:, :1]),
}


def found(made):
    architecture, _ = architecture_of(Net(made), (3, 16, 16))
    view = View(architecture, architecture.eval)
    return channelwise(view.measured, view.convolutions)


@pytest.mark.parametrize(("made", "count"), CHANNELWISE.values(), ids=CHANNELWISE)
def test_what_mixes_no_channels_is_found(made, count):
    assert len(found(made)) == count


@pytest.mark.parametrize("made", PLAIN.values(), ids=PLAIN)
def test_what_mixes_some_is_not(made):
    assert found(made) == ()
