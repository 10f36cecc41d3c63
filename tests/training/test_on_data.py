"""What a training takes of a GPU; a network that CUDA gives other bytes each time is never trained there."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.base.errors import UsageError
from harness.training.events import Event, TrainedEvent
from harness.training.jobs import Model, TrainJob
from harness.training.on_data import gpu_share
from harness.training.worker import do


class Volumes(nn.Module):
    """Look at images as volumes, by a grid."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.grid = nn.Parameter(torch.rand(1, 1, 4, 4, 3))
        self.fc = nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        grid = self.grid.expand(x.shape[0], 1, 4, 4, 3)
        return self.fc(F.grid_sample(self.conv(x).unsqueeze(2), grid, align_corners=False).mean((2, 3, 4)))


@pytest.fixture
def volumes(
    job: TrainJob, exported: Callable[[nn.Module], Model], monkeypatch: pytest.MonkeyPatch
) -> TrainJob:
    """A training of it, on a machine that says it has a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    small = {"epochs": 1, "batch_size": 1000, "stages": (), "augmentation": ()}
    changes = {"model": exported(Volumes()), "recipe": job.recipe.model_copy(update=small)}
    return job.model_copy(update=changes)


def test_it_is_refused_before_the_data_where_cuda_is_asked_for(
    volumes: TrainJob, events: list[Event]
) -> None:
    with pytest.raises(UsageError) as caught:
        do(volumes.model_copy(update={"device": "cuda"}), events.append)
    said = str(caught.value)
    assert said.startswith("--device cuda: grid_sampler ")
    assert said.endswith(
        "samples volumes by a grid, which has no repeatable gradient on CUDA. Use --device cpu or auto."
    )
    assert events == []


def test_it_is_trained_on_a_cpu_where_either_will_do(volumes: TrainJob, events: list[Event]) -> None:
    do(volumes.model_copy(update={"device": "auto"}), events.append)
    assert isinstance(events[-1], TrainedEvent)
    assert events[-1].training.device == "cpu"


def test_a_training_leaves_of_a_large_gpu_what_it_does_not_need() -> None:
    assert gpu_share(4_096, 143_360) == pytest.approx(0.129, abs=0.001)


def test_a_gpu_that_is_smaller_than_the_limit_is_used_up() -> None:
    assert gpu_share(12_288, 8_192) == 1
