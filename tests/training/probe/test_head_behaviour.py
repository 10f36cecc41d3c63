"""A head is what it does: no other form, name or detour changes the answer."""

import pytest
import torch
from drawn.one_map import Net, tried
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.training.probe import head_behaviour as behaviour

AVERAGES = {
    "mean": lambda n, x: n.fc(x.mean((2, 3))),
    "pool": lambda n, x: n.fc(F.adaptive_avg_pool2d(F.relu(x), 1).flatten(1)),
    "sum": lambda n, x: n.fc(x.sum((2, 3)) / 64),
    "log-softmax": lambda n, x: F.log_softmax(n.fc(F.avg_pool2d(x, 8).flatten(1)), 1),
    "padded": lambda n, x: n.fc(F.pad(F.gelu(x), (1, 1, 1, 1)).mean((2, 3))),
    "gated by place": lambda n, x: n.fc((x * torch.sigmoid(n.one(x))).mean((2, 3))),
    "normalised": lambda n, x: n.fc(F.instance_norm(x).relu().mean((2, 3))),
    "a residual": lambda n, x: n.fc(F.relu(x + n.one(x)).mean((2, 3))),
    "a blur": lambda n, x: n.fc(F.avg_pool2d(F.relu(x + n.place), 3, 1, 1).mean((2, 3))),
    "scaled": lambda n, x: 3 * n.fc(x.mean(3).mean(2)),
}


@pytest.mark.parametrize("head", AVERAGES.values(), ids=AVERAGES)
def test_an_average_and_a_linear_layer_are_a_head(head):
    assert behaviour.head(*tried(Net(head=head))) == ""


OTHERS = {
    "one row": (lambda n, x: n.fc(x[:, :, 2].mean(2)), "not all positions"),
    "a crop": (lambda n, x: n.fc(F.relu(x)[:, :, 1:3, 1:3].mean((2, 3))), "not all positions"),
    "a crop by padding": (lambda n, x: n.fc(F.pad(x, (-1, 0, 0, 0)).mean((2, 3))), "not all positions"),
    "a weight a position": (lambda n, x: n.fc((x * n.place).mean((2, 3))), "not all positions"),
    "a weight a position, then a blur": (
        lambda n, x: n.fc(F.avg_pool2d(x * n.place, 3, 1, 1).mean((2, 3))),
        "before neighbours are averaged",
    ),
    "a weight an element of the flat map": (
        lambda n, x: n.fc((x.flatten(1) * n.place.flatten().repeat(8)).view(x.shape).mean((2, 3))),
        "not all positions",
    ),
    "a square": (lambda n, x: n.fc(x.mean((2, 3)) ** 2), "not linear"),
    "attention": (
        lambda n, x: n.fc((x * n.one(x).flatten(2).softmax(2).view(x.shape)).sum((2, 3))),
        "weighed by what is in them",
    ),
    "shares by a sum": (
        lambda n, x: n.fc((x * (n.one(x).sigmoid() / n.one(x).sigmoid().sum((2, 3), True))).sum((2, 3))),
        "weighed by what is in them",
    ),
}


@pytest.mark.parametrize(("head", "why"), OTHERS.values(), ids=OTHERS)
def test_what_weighs_positions_or_bends_is_no_average(head, why):
    assert why in behaviour.head(*tried(Net(head=head)))
