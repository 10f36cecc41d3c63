"""Steps are told by the values they give, and a constant by how little it varies."""

import pytest
import torch
from drawn.one_map import Net, tried
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.training.probe.step_functions import nearly_constant, steps


class Table(Net):
    """What is made of a map of 8 channels multiplies a stored table of 2,048 numbers."""

    def __init__(self, made):
        super().__init__(lambda n, x: x + (made(x.mean((2, 3)))[:, None] * n.table).mean(1)[:, :, None, None])
        self.register_buffer("table", torch.randn(256, 8))


STEPS = {
    "a steep sigmoid": lambda x: torch.sigmoid(1e6 * x),
    "a steep tanh": lambda x: torch.tanh(1e6 * x),
    "a steep line, cut off": lambda x: (1e6 * x).clamp(0, 1),
    "nothing, where it is looked": lambda x: (-1e6 * (1 + x * x)).exp(),
    "a hot softmax": lambda x: (1e6 * x).softmax(1),
}
SMOOTH = {"a sigmoid": torch.sigmoid, "a softmax": lambda x: x.softmax(1), "a ReLU": F.relu}


def several():
    return torch.randn(16, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("made", STEPS.values(), ids=STEPS)
def test_what_gives_two_values_alone_makes_steps(made):
    one, _ = tried(Table(made))
    assert steps(one, several())


@pytest.mark.parametrize("made", SMOOTH.values(), ids=SMOOTH)
def test_an_activation_makes_none(made):
    one, _ = tried(Table(made))
    assert steps(one, several()) == frozenset()


def test_without_a_table_nothing_is_run():
    one, images = tried(Net(lambda n, x: x * torch.sigmoid(1e6 * x)))
    assert steps(one, images) == frozenset()


class Normalised(Net):
    def __init__(self, made):
        super().__init__(lambda n, x: x * n.norm(made(x)))
        self.norm = nn.BatchNorm2d(8)


def test_a_batch_norm_of_what_hardly_varies_is_named():
    one, images = tried(Normalised(lambda x: 1 + 1e-9 * x))
    assert nearly_constant(one, images) == "norm"


@pytest.mark.parametrize(
    "made", [lambda x: x, lambda x: 1 + x, lambda x: 0 * x], ids=["map", "offset", "zero"]
)
def test_a_batch_norm_of_a_map_is_not(made):
    one, images = tried(Normalised(made))
    assert nearly_constant(one, images) == ""
