"""A dropout whose result is compared with what it was given tells the mode; used as a value it does not."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.graph.receptive_field.engine import measure
from harness.graph.signs_of_mode import signs_of_mode
from harness.loader.export import architecture_of


class Net(nn.Module):
    """A map, what is made of it and of the map with some of it dropped, and a head."""

    def __init__(self, made):
        super().__init__()
        self.stem, self.more, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1), nn.Linear(8, 10)
        self._made = made

    def forward(self, x):
        x = self.stem(x)
        return self.fc(self._made(self, x, F.dropout(x, 0.1, self.training)).mean((2, 3)))


def found(made):
    architecture, _ = architecture_of(Net(made), (3, 16, 16))
    return signs_of_mode(measure(architecture, architecture.train))


SIGNS = {
    "equal": lambda n, x, d: torch.where(d == x, x, 2 * x),
    "equal, both scaled": lambda n, x, d: torch.where((2 * d) == F.relu(x), x, 2 * x),
    "zero or not": lambda n, x, d: x + (F.relu(d) == 0),
    "a truth value": lambda n, x, d: x + d.bool(),
    "a step of the difference": lambda n, x, d: x * (1 + (d - x).abs().sign()),
    "a step of the quotient": lambda n, x, d: x * (d / x).round(),
}
VALUES = {
    "a value": lambda n, x, d: F.relu(d),
    "a residual": lambda n, x, d: x + n.more(d),
    "a ReLU by hand": lambda n, x, d: d * (d > 0),
    "a maxout with another layer": lambda n, x, d: torch.where(d > n.more(x), d, n.more(x)),
}


@pytest.mark.parametrize("made", SIGNS.values(), ids=SIGNS)
def test_a_comparison_with_what_was_dropped_from_is_a_sign(made):
    assert found(made)


@pytest.mark.parametrize("made", VALUES.values(), ids=VALUES)
def test_what_is_left_by_a_dropout_may_be_used(made):
    assert found(made) == ()
