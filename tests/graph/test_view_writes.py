"""A write into a part of a tensor is a value of its own, with the same result; what is not clear stays."""

import pytest
import torch
from torch import nn

from harness.graph.flow import functional
from harness.graph.view_writes import without_view_writes
from harness.loader.export import architecture_of
from harness.training.program import compiled


class Writes(nn.Module):
    """A convolution, and what `write` does with its map of 4 channels, 8 x 8."""

    def __init__(self, write):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self._write = nn.Conv2d(3, 4, 3, padding=1), write

    def forward(self, x):
        return self._write(self.conv(x))


def halves(x):
    y = torch.zeros_like(x)
    y[:, :2] = x[:, 2:]
    y[:, 2:] = x[:, :2].relu()
    return y


def shifted(x):
    y = torch.zeros_like(x)
    y[:, :2, 1:] = x[:, :2, :-1]
    return x + y


def one_channel(x):
    y = x.clone()
    y[:, 1] = x.mean(1)
    return y


def added(x):
    y = x * 1
    y[:, ::2] += x[:, 1::2]
    return y


def read_through_an_older_view(x):
    y = x.clone()
    first = y[:, :2]
    y[:, 1:] = 2 * x[:, 1:]
    return first.relu() * y[:, 2:]


def of_a_smaller_value(x):
    y = x.clone()
    y[:, :2] = x.mean((2, 3), keepdim=True)[:, :1]
    return y


def transposed(x):
    y = x.clone()
    y.transpose(2, 3)[:, :2].copy_(x[:, 2:])
    return y


def blotted_out(x):
    y = x * 1
    y[:, :, ::2].zero_()
    return y


CLEAR = [halves, shifted, one_channel, added, read_through_an_older_view, of_a_smaller_value]


@pytest.mark.parametrize("write", CLEAR)
def test_a_write_into_a_part_is_a_value_with_the_same_result(write):
    model = Writes(write).eval()
    architecture, tensors = architecture_of(model, (3, 8, 8))
    assert functional(architecture.eval).tangled == ()
    images = torch.randn(3, 3, 8, 8)
    run = compiled(architecture.eval, torch.device("cpu")).run(images, tensors)
    assert torch.equal(run, model(images))


@pytest.mark.parametrize("write", [transposed, blotted_out])
def test_a_write_that_is_not_clear_stays_one(write):
    model = Writes(write).eval()
    architecture, tensors = architecture_of(model, (3, 8, 8))
    assert functional(architecture.eval).tangled != ()
    images = torch.randn(3, 3, 8, 8)
    run = compiled(architecture.eval, torch.device("cpu")).run(images, tensors)
    assert torch.equal(run, model(images))


def test_a_graph_without_writes_stays_as_it_is(sketch):
    graph = sketch.graph(sketch.head(sketch.conv("x", 4)))
    assert without_view_writes(graph) is graph
