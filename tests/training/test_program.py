"""A program for CUDA has equal forms in place of operators, and the same values."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.graph.ir import Architecture
from harness.loader.export import architecture_of
from harness.record.trainings import Training
from harness.training import program
from harness.training.cuda.equal_forms import equal_form
from harness.training.events import Event, TrainedEvent
from harness.training.jobs import Model, TrainJob
from harness.training.program import compiled
from harness.training.worker import do

Algorithms = Callable[[str], AbstractContextManager[None]]
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Unrepeatable(nn.Module):
    """One operator after another that strict mode refuses to differentiate on CUDA."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.fc = nn.Linear(4, 10)
        self.grid = nn.Parameter(torch.rand(1, 4, 3, 2) * 1.8 - 0.9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(F.pad(x, (1, 2, 2, 1), mode="reflect"))
        x = F.interpolate(x, size=(13, 9), mode="bilinear") + F.interpolate(
            x, size=(13, 9), mode="bicubic", antialias=True
        )
        maxima, places = F.max_pool2d(x, 2, return_indices=True)
        x = x + F.max_unpool2d(maxima, places, 2, output_size=x.shape[2:])
        x = F.adaptive_max_pool2d(F.adaptive_avg_pool2d(x, (7, 5)), (4, 3))
        x = F.grid_sample(x, self.grid.expand(x.shape[0], 4, 3, 2), align_corners=False)
        return self.fc(x.flatten(2).median(2).values + x.mean((2, 3)))


@pytest.fixture(scope="module")
def exported_once(algorithms: Algorithms) -> tuple[Architecture, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    with algorithms("default"):
        return architecture_of(Unrepeatable(), (3, 32, 32))


def test_a_program_for_cuda_has_the_logits_and_gradients_of_one_for_a_cpu(
    exported_once, algorithms: Algorithms
) -> None:
    architecture, tensors = exported_once
    images, found = torch.rand(4, 3, 32, 32), []
    for device in (CPU, CUDA):
        own = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
        with algorithms("error"):
            logits = compiled(architecture.train, device).run(images, own)
            logits.square().sum().backward()
        found.append([logits, *(own[name].grad for name in sorted(own))])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)


def test_a_program_for_cuda_calls_no_operator_that_is_replaced_there(exported_once) -> None:
    architecture, _ = exported_once
    calls = {step.name: step.call for step in compiled(architecture.train, CUDA).steps}
    replaced = [node for node in architecture.train.nodes if equal_form(node.op, CUDA)]
    assert len({node.op for node in replaced}) == 8
    assert all(calls[node.name] is equal_form(node.op, CUDA) for node in replaced)


@pytest.mark.slow
def test_a_training_by_the_forms_for_cuda_learns_as_one_without_them_does(
    exported: Callable[[nn.Module], Model],
    job: TrainJob,
    algorithms: Algorithms,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    small = {"epochs": 1, "batch_size": 1000, "stages": (), "augmentation": ()}
    recipe = job.recipe.model_copy(update=small)
    with algorithms("default"):
        short = job.model_copy(update={"model": exported(Unrepeatable()), "recipe": recipe})
    on_cpu = trained(short)
    as_if = {"cpu": CUDA}
    monkeypatch.setattr(program, "equal_form", lambda op, at: equal_form(op, as_if.get(at.type, at)))
    as_on_cuda = trained(short)
    assert as_on_cuda.weights_sha256 != on_cpu.weights_sha256
    assert as_on_cuda.epochs[0].train_loss == pytest.approx(on_cpu.epochs[0].train_loss, rel=1e-3)


def trained(job: TrainJob) -> Training:
    events: list[Event] = []
    do(job, events.append)
    assert isinstance(events[-1], TrainedEvent)
    return events[-1].training
