"""A tensor that forward fills in place is written as its numbers: its shape is known, no table is hidden."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.graph.flow import functional
from harness.loader.export import architecture_of
from harness.training.network import Network

SHAPE = (3, 16, 16)


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 1, 3), nn.Linear(1, 10)

    def forward(self, x):
        x = self.conv(x)
        return self.fc(F.conv2d(x, self.kernel(x), padding=1).mean((2, 3)))


class NumbersInPlaces(Plain):
    def kernel(self, x):
        k = torch.ones(1, 1, 3, 3, device=x.device)
        k[:, :, 1, 1] = 0
        k[0, 0, 2] = 0.5
        return k


class ArithmeticInPlace(Plain):
    def kernel(self, x):
        k = torch.zeros(1, 1, 3, 3)
        k[..., 1:] += 2
        k[0, 0].fill_diagonal_(3)
        return k.div_(9)


class ReadTwice(Plain):
    """Filled further between two readers."""

    def forward(self, x):
        k = torch.zeros(1, 1, 3, 3)
        k[..., 1, 1] = 1
        x = F.conv2d(self.conv(x), k)
        k[..., 0, 0] = 2
        return self.fc(F.conv2d(x, k).mean((2, 3)))


class Expanded(Plain):
    def kernel(self, x):
        k = torch.zeros(1, 1, 3, 3)
        k[..., 1, 1] = 1
        return k.expand(x.size(1), 1, 3, 3)


class FromATable(Plain):
    def kernel(self, x):
        k = torch.zeros(1, 1, 3, 3)
        k[0, 0, 1] = torch.tensor([1.0, 2.0, 3.0])
        return k


class ManyNumbers(Plain):
    def kernel(self, x):
        k = torch.zeros(1, 1, 9, 9)
        for place in range(81):
            k[..., place // 9, place % 9] = place
        return k


class FilledFromTheImage(Plain):
    def kernel(self, x):
        k = torch.zeros(1, 1, 3, 3)
        k[..., 1, 1] = 1
        k[..., 0, 0] = x.mean()
        return k


class FilledThroughParts(Plain):
    def kernel(self, x):
        k = torch.zeros(1, 1, 3, 3)
        k[..., 1, 1] = 1
        k.unbind(3)[0].fill_(4)
        return k


class FilledWhileAPartIsKept(Plain):
    def kernel(self, x):
        k = torch.zeros(1, 1, 3, 3)
        k[..., 1, 1] = 1
        parts = k.unbind(3)
        k[..., 0, 0] = 5
        return torch.stack(parts, 3)


class Chance(Plain):
    def kernel(self, x):
        k = torch.rand(1, 1, 3, 3)
        k[..., 1, 1] = 1
        return k * 0


WRITTEN = (NumbersInPlaces, ArithmeticInPlace, ReadTwice, Expanded)
LEFT = (FromATable, ManyNumbers, FilledFromTheImage, FilledThroughParts, FilledWhileAPartIsKept, Chance)


@pytest.mark.parametrize("student", [*WRITTEN, *LEFT])
def test_the_network_computes_the_same(student: type[Plain]) -> None:
    model = student()
    network = Network(*architecture_of(model, SHAPE), torch.device("cpu"))
    images = torch.randn(4, *SHAPE)
    torch.testing.assert_close(network.eval()(images), model.eval()(images))


@pytest.mark.parametrize("student", WRITTEN)
def test_no_view_is_written_to_and_no_number_is_stored(student: type[Plain]) -> None:
    architecture, _ = architecture_of(student(), SHAPE)
    for graph in (architecture.train, architecture.eval):
        assert not functional(graph).tangled
        assert not [node for node in graph.nodes if "lifted" in str(node.args)]
        weights = {node.args[1].ref for node in graph.nodes if node.op == "aten.conv2d.default"}
        shapes = [node.shape for node in graph.nodes if node.name in weights]
        assert shapes
        assert set(shapes) == {(1, 1, 3, 3)}


@pytest.mark.parametrize("student", [FromATable, ManyNumbers])
def test_a_table_stays_a_table(student: type[Plain]) -> None:
    architecture, _ = architecture_of(student(), SHAPE)
    assert [node for node in architecture.eval.nodes if "lifted" in str(node.args)]
