"""A maximum over positions is told by what it does: no other form, name or detour changes the answer."""

import pytest
import torch
from drawn.one_map import Net, tried
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.training.probe.chosen_copies import moved_copies
from harness.training.probe.weighted_pools import smooth_maxima


def found(one, images):
    return smooth_maxima(one, images[:1]) | moved_copies(one, images)


def window(x):
    """The nine neighbours of each position, in a dimension of their own: (N, C, 9, H, W)."""
    return F.unfold(x, 3, padding=1).view(x.size(0), x.size(1), 9, *x.shape[2:])


PLAIN = {
    "an average": lambda n, x: F.avg_pool2d(F.relu(x), 3, 1, 1),
    "an average of a hand-made activation": lambda n, x: F.avg_pool2d(x * torch.sigmoid(x), 3, 1, 1),
    "a normalisation by the whole map": lambda n, x: (x - x.mean((2, 3), True)) / x.std((2, 3), keepdim=True),
    "the size of the map's values": lambda n, x: x * torch.norm(x, dim=(2, 3), keepdim=True),
    "learned attention": lambda n, x: (
        x + (x * n.one(x).flatten(2).softmax(2).view(x.shape)).sum((2, 3), True)
    ),
    "learned weights in a window": lambda n, x: (window(x) * n.one(x)[:, :, None].softmax(1)).sum(2),
    "two learned filters": lambda n, x: torch.maximum(n.one(x), n.two(x)),
    "a learned slope": lambda n, x: F.avg_pool2d(torch.where(x > 0, x, n.place.mean() * x), 3, 1, 1),
    "a local contrast": lambda n, x: x / (F.avg_pool2d((x - x.mean(1, True)).abs(), 3, 1, 1) + 1),
    "itself, scaled": lambda n, x: torch.maximum(x, 0.1 * x),
    "channels": lambda n, x: x * x.amax(1, keepdim=True),
    "groups of channels": lambda n, x: x.view(-1, 4, 2, 8, 8).amax(2).repeat(1, 2, 1, 1),
    "a product of learned halves": lambda n, x: n.one(x) * n.two(x),
}


@pytest.mark.parametrize("middle", PLAIN.values(), ids=PLAIN)
def test_averages_activations_and_choices_between_filters_are_no_maximum(middle):
    assert found(*tried(Net(middle))) == {}


SMOOTH = {
    "log-sum-exp": lambda n, x: window(4 * x).logsumexp(2) / 4,
    "log-mean-exp": lambda n, x: F.avg_pool2d(x.exp(), 3, 1, 1).log(),
    "powers of two": lambda n, x: F.avg_pool2d(2**x, 3, 1, 1).log2(),
    "the tail of an activation": lambda n, x: F.avg_pool2d(F.softplus(x - 30), 3, 1, 1).log(),
    "a p-norm": lambda n, x: F.lp_pool2d(F.relu(x), 6, 2),
    "a p-norm of products": lambda n, x: F.avg_pool2d(F.relu(x) * F.relu(x) * F.relu(x), 3, 1, 1),
    "weights from the values themselves": lambda n, x: (window(x) * (100 * window(x)).softmax(2)).sum(2),
    "comparisons": lambda n, x: (x > x.roll(1, 2)) * x + (x <= x.roll(1, 2)) * x.roll(1, 2),
    "steps without a gradient": lambda n, x: (
        torch.heaviside((x - x.roll(1, 2)).detach(), torch.ones(1)) * (x - x.roll(1, 2)) + x.roll(1, 2)
    ),
    "a learned exponent": lambda n, x: F.avg_pool2d((F.relu(x) + 0.1) ** n.place.mean(), 3, 1, 1),
    "a learned temperature": lambda n, x: (
        x + (x * (n.place.mean() * x).flatten(2).softmax(2).view(x.shape)).sum((2, 3), True)
    ),
    "over the whole map": lambda n, x: x + torch.logsumexp(10 * x, (2, 3), keepdim=True),
    "by a frozen kernel": lambda n, x: F.conv2d(x.exp(), torch.ones(8, 1, 3, 3), padding=1, groups=8).log(),
}


@pytest.mark.parametrize("middle", SMOOTH.values(), ids=SMOOTH)
def test_what_weighs_larger_values_more_is_a_maximum(middle):
    maxima = found(*tried(Net(middle)))
    assert maxima
    assert all("that weighs the larger" in why for why in maxima.values())


def launder(name):
    return {
        "a pool of one": lambda n, x: F.avg_pool2d(x, 1),
        "a sum of one": lambda n, x: x.unsqueeze(2).sum(2),
        "an identity": lambda n, x: torch.einsum("nchw,cd->ndhw", x, torch.eye(8)),
        "the same filter": lambda n, x: n.one(x),
        "next to nothing": lambda n, x: x + 1e-300 * n.two(x),
        "a frozen filter": lambda n, x: F.conv2d(x, torch.eye(8)[:, :, None, None]),
    }[name]


@pytest.mark.parametrize("shift", [(1, 0), (0, 2), (1, 1)])
@pytest.mark.parametrize(
    "name",
    ["a pool of one", "a sum of one", "an identity", "the same filter", "next to nothing", "a frozen filter"],
)
def test_copies_of_one_map_are_told_by_their_values(name, shift):
    def middle(n, x):
        return torch.maximum(launder(name)(n, x), launder(name)(n, x.roll(shift, (2, 3))))

    assert list(found(*tried(Net(middle))).values()) == ["maximum of one map and the same map moved"]


def test_copies_along_a_dimension_are_told_by_their_values():
    def middle(n, x):
        moved = [launder("an identity")(n, x.roll(i, 3)) for i in range(3)]
        return torch.stack(moved, 2).amax(2)

    assert list(found(*tried(Net(middle))).values()) == ["amax of one map and the same map moved"]


def test_an_activation_is_no_maximum_over_the_whole_map():
    def gelu(n, x):
        return 0.5 * x * (1 + torch.tanh(0.7978845608 * (x + 0.044715 * x**3)))

    assert found(*tried(Net(head=lambda n, x: n.fc(gelu(n, x).mean((2, 3)))))) == {}
