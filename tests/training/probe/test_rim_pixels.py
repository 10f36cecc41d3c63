"""The rim of a receptive field is shown by pixels that move the last map; what moves it is measured."""

import pytest
import torch
from torch import nn

from harness.graph.view import View
from harness.loader.export import architecture_of
from harness.training.probe.rim_pixels import reach

SIZE = 32


class Chain(nn.Module):
    """Convolutions one after the other, and `last` behind them; jump 4 and a map of 8 x 8."""

    def __init__(self, last):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(6, 6, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.last, self.fc = last, nn.Linear(6, 10)

    def forward(self, x):
        return self.fc(self.last(self.body(x)).mean((2, 3)))


def reached(last):
    architecture, tensors = architecture_of(Chain(last), (3, SIZE, SIZE))
    view = View(architecture, architecture.eval)
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    return view.receptive_field_px, reach(view, tensors, images)


class Function(nn.Module):
    """A convolution of dilation 2, and a function of the map and of what it makes."""

    def __init__(self, join):
        super().__init__()
        self.conv, self.join = nn.Conv2d(6, 6, 3, padding=2, dilation=2), join

    def forward(self, x):
        return self.join(x, self.conv(x))


SEEN = {
    "a plain convolution": lambda x, y: y,
    "a sum": lambda x, y: x + y,
    "a gate that sees everything": lambda x, y: y * torch.sigmoid(y.mean((2, 3), keepdim=True)),
    "a normalisation over the whole map": lambda x, y: nn.functional.group_norm(y, 2),
    "a small part": lambda x, y: x + 1e-9 * y,
}


@pytest.mark.parametrize("join", SEEN.values(), ids=SEEN)
def test_a_rim_that_is_seen_is_confirmed(join):
    assert reached(Function(join)) == (7 + 2 * 2 * 4, None)


UNSEEN = {
    "nothing of it is used": lambda x, y: x + (y - y.clone()),
    "nothing is left of it": lambda x, y: x + 1e-300 * y,
    "a gate sees it, and no position": lambda x, y: (
        x * torch.sigmoid(y.mean((2, 3), keepdim=True)) + (y - y.clone())
    ),
}


@pytest.mark.parametrize("join", UNSEEN.values(), ids=UNSEEN)
def test_a_rim_that_is_not_seen_is_measured_anew(join):
    claimed, seen = reached(Function(join))
    assert claimed == 7 + 2 * 2 * 4
    assert seen == (7, 7)


def test_a_rim_that_lies_in_the_padding_is_looked_for_on_a_larger_image():
    far = nn.Conv2d(6, 6, 3, padding=8, dilation=8)
    assert reached(far) == (7 + 2 * 8 * 4, None)


def test_a_mask_on_the_kernel_takes_its_rim_away():
    far = nn.Conv2d(6, 6, 3, padding=2, dilation=2)
    with torch.no_grad():
        far.weight[:, :, :, 0] = far.weight[:, :, :, 2] = 0
    assert reached(far) == (7 + 2 * 2 * 4, (7 + 2 * 2 * 4, 7))
