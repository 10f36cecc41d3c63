"""What computes channels apart is depthwise by what it does, whatever it is written as."""

import pytest
import torch
from drawn.one_map import tried
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.training.probe.unmixed_channels import apart


class Net(nn.Module):
    """A map of 8 channels, what `made` makes of it, and a 1x1 layer that mixes that."""

    def __init__(self, made):
        super().__init__()
        self.stem, self.full = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.weights, self.scale = nn.Parameter(torch.randn(8, 9)), nn.Parameter(torch.ones(8, 1, 1))
        self.mix, self.fc = nn.Conv2d(8, 8, 1), nn.Linear(8, 10)
        self._made = made

    def forward(self, x):
        return self.fc(F.relu(self.mix(self._made(self, self.stem(x)))).mean((2, 3)))


def windows(x):
    return F.unfold(x, 3, padding=1).view(-1, 8, 9, 16, 16)


def masked(n, x):
    return F.conv2d(x, n.full.weight * torch.eye(8)[:, :, None, None], padding=1)


APART = {
    "weighed windows": lambda n, x: (windows(x) * n.weights[:, :, None, None]).sum(2),
    "an einsum of windows": lambda n, x: torch.einsum("nckhw,ck->nchw", windows(x), n.weights),
    "weighed neighbours": lambda n, x: sum(n.weights[:, i, None, None] * x.roll(i, 2) for i in range(3)),
    "a masked kernel": masked,
    "a masked kernel and an activation": lambda n, x: F.relu(masked(n, x)),
    "a masked kernel before a depthwise layer": lambda n, x: n.depthwise(masked(n, x)),
}
TOGETHER = {
    "a full convolution": lambda n, x: n.full(x),
    "a scaled kernel": lambda n, x: F.conv2d(x, n.full.weight * n.scale[..., None], padding=1),
    "groups of four": lambda n, x: n.grouped(x),
    "an average": lambda n, x: n.scale * F.avg_pool2d(x, 3, 1, 1),
    "a residual": lambda n, x: x + n.full(x),
    "every channel at its own place": lambda n, x: x * n.weights.sum() * n.scale,
    "a depthwise layer, judged as one": lambda n, x: n.depthwise(F.max_pool2d(x, 2)),
    "all windows": lambda n, x: (n.weights[0].repeat(8) @ F.unfold(x, 3, padding=1)).view(-1, 1, 16, 16) * x,
}


@pytest.mark.parametrize("made", APART.values(), ids=APART)
def test_learned_sums_of_neighbours_channel_by_channel_are_depthwise(made):
    one, images = tried(Net(made))
    (source,) = apart(one, images[:1]).values()
    assert one.view.measured.by_name[source].layer == "stem"


@pytest.mark.parametrize("made", TOGETHER.values(), ids=TOGETHER)
def test_what_mixes_channels_or_learns_no_neighbours_is_not(made):
    one, images = tried(Net(made))
    assert apart(one, images[:1]) == {}
