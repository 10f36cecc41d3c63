"""A checkpoint is measured by the code that grades."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from harness.base.errors import UsageError
from harness.settings.recipe import RecipeSpec
from harness.training.events import Event, MeasuredEvent, TrainedEvent
from harness.training.jobs import EvaluateJob, Model, TrainJob
from harness.training.worker import do


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
