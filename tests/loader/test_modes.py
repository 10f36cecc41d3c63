"""A graph in eval mode that is derived is the one a capture gives; where it might not be, it is captured."""

import runpy
from pathlib import Path

import pytest
import torch
from checkout import REPOSITORY
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.graph.ir import Graph
from harness.loader import export
from harness.loader.export import architecture_of
from harness.loader.modes import flags_of, in_eval

REFERENCE = runpy.run_path(str(REPOSITORY / "submission" / "model.py"))
HERE = Path(__file__).parent
SHAPE = (3, 32, 32)


class Plain(nn.Module):
    """A network that others differ from in one thing; `ends` is what they change."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.ends(F.relu(self.bn(self.conv(x))))

    def ends(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(x.mean((2, 3)))
        return logits


class Residual(Plain):
    """Sums in place, products, dropouts of all kinds between batch-norms: numbered otherwise in each mode."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.maps = nn.Dropout(0.1), nn.Dropout2d(0.2, inplace=True)
        self.vectors, self.frozen = nn.BatchNorm1d(8), nn.BatchNorm2d(8, track_running_stats=False)

    def ends(self, x: torch.Tensor) -> torch.Tensor:
        y = self.maps(self.drop(x * 3))
        y += self.frozen(x * 2) + self.bn(x)
        y = y * self.bn(y)
        y += x
        y = F.dropout(y, 0.3, training=self.training, inplace=True).mean((2, 3))
        return self.fc(self.vectors(y).view(-1, 8))


class Differs(Plain):
    def ends(self, x):
        return super().ends(x * 2 if self.training else x)


class DiffersInAnArgument(Plain):
    def ends(self, x):
        return super().ends(F.dropout(x, 0.1 if self.training else 0.2))


class DiffersInALiteral(Plain):
    def ends(self, x):
        return super().ends(x * (2 if self.training else 2.0))


class DiffersInTheBatch(Plain):
    def ends(self, x):
        return super().ends(x.view(x.shape[0] if self.training else -1, 8, 32, 32))


class DiffersInItsLine(Plain):
    def forward(self, x):
        if self.training:
            return self.ends(F.relu(self.conv(x)))
        return self.ends(F.relu(self.conv(x)))


class DiffersInATensor(Plain):
    def ends(self, x):
        return super().ends(x + (self.conv.bias if self.training else self.bn.bias).view(1, 8, 1, 1))


class DiffersInWhatItGives(Plain):
    def ends(self, x):
        x = super().ends(x)
        y = F.relu(x)
        return x if self.training else y


class DiffersInGradients(Plain):
    def ends(self, x):
        with torch.set_grad_enabled(self.training):
            return super().ends(x)


class CountsItself(Plain):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def ends(self, x):
        if self.training:
            self.seen.add_(1)
        return super().ends(x)


class CountsAlways(Plain):
    def __init__(self):
        super().__init__()
        self.register_buffer("num_batches_tracked", torch.zeros(()))

    def ends(self, x):
        self.num_batches_tracked.add_(1)
        return super().ends(x)


class Unfair(Plain):
    """Something other at every call."""

    calls = 0

    def ends(self, x):
        self.calls += 1
        return super().ends(x * self.calls)


class Uncopied(Plain):
    def __deepcopy__(self, memo):
        raise TypeError("not me")


class ReadsWhatItDropped(Plain):
    """In eval mode a dropout gives the very tensor that it is given."""

    def ends(self, x):
        return super().ends(F.dropout(x, 0.1, self.training) + x)


class BatchByName(Plain):
    """Where an export numbers the sizes that it reads is not known here."""

    def ends(self, x):
        return super().ends(x.view(x.size(0), 8, 32, 32))


class NormOfItsOwn(Plain):
    """A batch-norm that is no call of the usual function."""

    def ends(self, x):
        x = torch.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False)
        return super().ends(x)


def both(model: nn.Module) -> tuple[Graph, Graph]:
    """Capture each mode by itself."""
    table = export._Table()
    train, evaluated = (export._graph(model.train(mode), SHAPE, table, HERE) for mode in (True, False))
    return train, evaluated


SAME = [REFERENCE["Net"], REFERENCE["NetDilated"], Plain, Residual]
OTHER = [
    Differs, DiffersInAnArgument, DiffersInALiteral, DiffersInTheBatch, DiffersInItsLine, DiffersInATensor,
    DiffersInWhatItGives, DiffersInGradients, CountsItself, CountsAlways, Unfair, Uncopied,
    ReadsWhatItDropped, BatchByName, NormOfItsOwn,
]  # fmt: skip


@pytest.mark.parametrize("model", SAME)
def test_the_derived_graph_is_the_captured_one(model):
    network = model()
    flags = flags_of(network, SHAPE, HERE)
    assert flags is not None
    train, evaluated = both(network)
    assert in_eval(train, flags) == evaluated
    assert train != evaluated


@pytest.mark.parametrize("model", OTHER)
def test_where_the_modes_may_differ_both_are_captured(model):
    network = model()
    flags = flags_of(network, SHAPE, HERE)
    train, evaluated = both(model())
    assert flags is None or in_eval(train, flags) is None
    architecture, _ = architecture_of(model(), SHAPE, HERE)
    assert (architecture.train, architecture.eval) == (train, evaluated)


@pytest.mark.parametrize("model", SAME)
def test_one_capture_is_enough_for_a_usual_model(model, monkeypatch):
    modes = []
    captured = export._graph
    monkeypatch.setattr(
        export, "_graph", lambda network, *rest: modes.append(network.training) or captured(network, *rest)
    )
    architecture_of(model(), SHAPE, HERE)
    assert modes == [True]


def test_the_model_itself_is_not_run(capsys):
    class Talks(Plain):
        calls = 0

        def ends(self, x):
            self.calls += 1
            print("here")  # noqa: T201
            return super().ends(x)

    network = Talks()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert flags_of(network, SHAPE, HERE) is not None
    assert network.calls == 0
    assert network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert capsys.readouterr().out == ""
