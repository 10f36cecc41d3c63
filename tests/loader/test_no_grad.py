"""What is computed without gradients comes out as ordinary operators, with the same values and gradients."""

import copy

import pytest
import torch
from torch import nn

from harness.graph.consistency import difference
from harness.graph.flow import functional
from harness.graph.operators import unknown_ops
from harness.loader.export import architecture_of
from harness.training.network import Network

SHAPE = (3, 8, 8)


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 10)
        self.gain = nn.Parameter(torch.full((1,), 1.5))
        self.register_buffer("average", torch.zeros(4))

    def forward(self, x):
        return self.ends(self.conv(x).mean((2, 3)))


class SubtractsAMean(Plain):
    def ends(self, x):
        with torch.no_grad():
            mean = x.mean(1, keepdim=True) * self.gain
        return self.fc(x - mean)


class ReadsAParameter(Plain):
    def ends(self, x):
        with torch.no_grad():
            weight = self.fc.weight
            scaled = weight * 2
        return nn.functional.linear(x, weight + scaled)


class WithGradientsInside(Plain):
    def ends(self, x):
        with torch.no_grad():
            mean = x.mean(1, keepdim=True)
            with torch.enable_grad():
                logits = self.fc(x) * mean
            mean = mean * self.gain
        return logits + mean


class SwitchesByFunction(Plain):
    def ends(self, x):
        torch.set_grad_enabled(False)
        mean = x.mean(1, keepdim=True)
        torch.set_grad_enabled(True)
        return self.fc(x - mean)


class OnlyInTraining(Plain):
    """Gradients are on in training alone: nothing else is computed in eval."""

    def ends(self, x):
        with torch.set_grad_enabled(self.training):
            logits = self.fc(x)
        return logits * self.gain


class DecoratedPart(Plain):
    @torch.no_grad()
    def mean(self, x):
        return x.mean(1, keepdim=True)

    def ends(self, x):
        return self.fc(x - self.mean(x))


class CastsToTheTypeItHas(Plain):
    """What gives back its own argument is that, gradients and all."""

    def ends(self, x):
        with torch.no_grad():
            same = x.float().contiguous()
        return self.fc(same) + x.sum(1, keepdim=True)


class ChangesInPlace(Plain):
    """The numbers change; the gradients are those of the values before."""

    def ends(self, x):
        y = x * self.gain
        with torch.no_grad():
            y.mul_(3)
            own = (y + 1).mul_(2)
        return self.fc(y) + own.sum(1, keepdim=True)


class KeepsAnAverage(Plain):
    def ends(self, x):
        with torch.no_grad():
            self.average.mul_(0.9).add_(x.mean(0) * 0.1)
        return self.fc(x - self.average)


class SlicesOutside(Plain):
    def ends(self, x):
        with torch.no_grad():
            part, rest = x.split(2, 1)
        return self.fc(x) + part.sum(1, keepdim=True) * rest.sum(1, keepdim=True)


class ReadsData(Plain):
    """`.data` is the tensor without its gradients."""

    def ends(self, x):
        return self.fc(x - x.data.mean(1, keepdim=True) * self.gain.data)


def gradients_of(logits: torch.Tensor, model: nn.Module) -> dict[str, torch.Tensor | None]:
    logits.square().sum().backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("student", Plain.__subclasses__())
def test_values_and_gradients_are_the_students_own(student: type[Plain], training: bool) -> None:
    torch.manual_seed(0)
    model = student()
    architecture, tensors = architecture_of(model, SHAPE)
    assert not unknown_ops(architecture)
    network = Network(architecture, tensors, torch.device("cpu"))
    images = torch.randn(5, *SHAPE)
    results = []
    for one in (copy.deepcopy(model), network):
        logits = one.train(training)(images)
        results.append((logits, gradients_of(logits, one) if training else {}))
    (logits, gradients), (others, their_gradients) = results
    torch.testing.assert_close(others, logits)
    assert their_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(their_gradients[name], gradient)


@pytest.mark.parametrize("student", Plain.__subclasses__())
def test_both_graphs_compute_the_same(student: type[Plain]) -> None:
    architecture, _ = architecture_of(student(), SHAPE)
    assert difference(functional(architecture.train), functional(architecture.eval)) == ()


def test_data_is_read_as_ever_after_an_export() -> None:
    architecture_of(ReadsData(), SHAPE)
    parameter = nn.Parameter(torch.ones(2))
    parameter.data = torch.zeros(3)
    assert parameter.data.grad_fn is None
    assert type(vars(torch.Tensor).get("data", torch._C.TensorBase.data)).__name__ == "getset_descriptor"
