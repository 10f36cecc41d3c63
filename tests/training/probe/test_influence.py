"""Which layers have influence, when every one of them is tried and not convolutions alone."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.graph.view import views_of
from harness.loader.export import architecture_of
from harness.training.probe.evidence import IMAGES, STEPS, evidence

SIZE = 16


class Small(nn.Module):
    """A convolution, and a middle part that a test writes."""

    def __init__(self, middle):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.point, self.each = nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1, groups=6)
        self.fc, self.middle = nn.Linear(6, 10), middle

    def forward(self, x):
        return self.fc(self.middle(self, self.stem(x)).mean((2, 3)))


def weak(middle, *, every_layer=True, model=Small):
    torch.manual_seed(0)
    architecture, tensors = architecture_of(model(middle), (3, SIZE, SIZE))
    images = torch.randn(STEPS * IMAGES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(len(images)) % 10
    found = evidence(views_of(architecture), tensors, images, labels, every_layer=every_layer)
    assert found.broken == ""
    return [architecture.eval.by_name[name].op.split(".")[1] for name in found.weak["eval"]]


USED = {
    "a pointwise convolution": lambda m, x: m.point(x),
    "a convolution of one channel each": lambda m, x: m.each(x),
    "a batch-norm and an activation": lambda m, x: F.relu(m.norm(x)),
    "an activation in place": lambda m, x: F.relu_(m.norm(x)),
    "a pool": lambda m, x: F.max_pool2d(x, 2),
    "a pointwise convolution used twice": lambda m, x: m.point(F.relu(m.point(x))),
    "a sum of two paths": lambda m, x: x + m.point(x),
    "two maps, one behind the other": lambda m, x: torch.cat([x[:, :3], m.point(x)[:, 3:]], 1),
}


@pytest.mark.parametrize("middle", USED.values(), ids=USED)
def test_what_is_used_has_influence(middle):
    assert weak(middle) == []


def minus_itself(y):
    return y - y.clone()


UNUSED = {
    "a pointwise convolution that is taken away again": (lambda m, x: x + minus_itself(m.point(x)), "conv2d"),
    "two of the same weights, one minus the other": (lambda m, x: x + (m.point(x) - m.point(x)), "conv2d"),
    "an activation of what is never positive": (lambda m, x: x + F.relu(-F.relu(m.point(x))), "relu"),
    "a batch-norm by a factor of nearly nothing": (lambda m, x: x + 1e-300 * m.norm(x), "batch_norm"),
    "a shortcut by a factor of nearly nothing": (lambda m, x: 1e-300 * x + m.point(x), "add"),
    "a pool by a factor of nearly nothing": (
        lambda m, x: x + 1e-300 * F.max_pool2d(x, 3, 1, 1),
        "max_pool2d",
    ),
}


@pytest.mark.parametrize(("middle", "operator"), UNUSED.values(), ids=UNUSED)
def test_what_makes_no_difference_has_none(middle, operator):
    assert operator in weak(middle)


def test_tied_weights_may_cancel_out_too():
    class Tied(Small):
        def __init__(self, middle):
            super().__init__(middle)
            self.each = nn.Conv2d(6, 6, 1, bias=False)
            self.point = nn.Conv2d(6, 6, 1, bias=False)
            self.each.weight = self.point.weight

    assert weak(lambda m, x: x + (m.point(x) - m.each(x)), model=Tied).count("conv2d") == 2


def test_only_larger_convolutions_are_tried_where_no_rule_counts_others():
    assert weak(UNUSED["a pool by a factor of nearly nothing"][0], every_layer=False) == []
