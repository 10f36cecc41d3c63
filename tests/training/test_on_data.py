"""What a training takes of a GPU; a network that CUDA gives other bytes each time is never trained there."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.base.errors import UsageError
from harness.settings.recipe import RecipeSpec
from harness.training.events import Event, MeasuredEvent, TrainedEvent
from harness.training.jobs import EvaluateJob, Model, TrainJob
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


@pytest.fixture
def evaluation(job: TrainJob) -> EvaluateJob:
    return EvaluateJob(
        model=job.model,
        checkpoint=job.checkpoints / "last.pth",
        data=job.data,
        batch_size=128,
        threads=2,
        device="cpu",
        folder="mini",
        stats_cache=job.stats_cache,
    )


def test_a_checkpoint_of_a_training_measures_what_the_training_measured(
    job: TrainJob, evaluation: EvaluateJob, recipe: RecipeSpec, events: list[Event]
) -> None:
    few_steps = recipe.model_copy(update={"epochs": 1, "batch_size": 1000, "stages": (), "augmentation": ()})
    do(job.model_copy(update={"recipe": few_steps}), events.append)
    do(evaluation, events.append)
    trained, measured = (e for e in events if isinstance(e, TrainedEvent | MeasuredEvent))
    assert isinstance(trained, TrainedEvent)
    assert isinstance(measured, MeasuredEvent)
    for key in ("data", "device", "confusion", "accuracy", "accuracy_interval", "weights_sha256"):
        assert getattr(measured, key) == getattr(trained.training, key)
    assert round(measured.loss, 6) == trained.training.epochs[-1].test_loss


def test_weights_that_give_no_numbers_are_refused(
    evaluation: EvaluateJob,
    tiny: type[nn.Module],
    exported: Callable[[nn.Module], Model],
    tmp_path: Path,
    events: list[Event],
) -> None:
    model = tiny()
    state = model.state_dict() | {"fc.bias": torch.full((10,), math.nan)}
    torch.save(state, tmp_path / "nan.pth")
    job = evaluation.model_copy(update={"model": exported(model), "checkpoint": tmp_path / "nan.pth"})
    with pytest.raises(UsageError, match=r"nan\.pth: the network's output is not a number with"):
        do(job, events.append)
