"""A training that is resumed, or has workers, ends in the bytes of one that was not."""

from pathlib import Path

import pytest
import torch
from rebuilt import FixedSize
from torch import nn
from trainings import Export, trained

from harness.datasets.images import Data
from harness.training.events import EpochEvent, Event
from harness.training.jobs import TrainJob


def test_worker_processes_change_nothing(job: TrainJob, few: Data) -> None:
    results = [trained(job.model_copy(update={"workers": n}), few) for n in (0, 1, 2)]
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_resumed_training_ends_like_an_unbroken_one(
    job: TrainJob, few: Data, tmp_path: Path, epoch: int
) -> None:
    unbroken = trained(job.model_copy(update={"save_every": 1}), few)
    resumed = job.model_copy(
        update={"resume": job.checkpoints / f"epoch_{epoch:03d}.pth", "checkpoints": tmp_path / "again"}
    )
    events: list[Event] = []
    assert trained(resumed, few, events) == unbroken
    assert [e.log.epoch for e in events if isinstance(e, EpochEvent)] == list(range(epoch + 1, 4))


class Counts(nn.Module):
    """Keeps state outside of the state dict, which a checkpoint must keep all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 10)
        self.seen: torch.Tensor
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen.add_(0.1)
        return self.fc(x.mean((2, 3))) * self.seen


def test_state_outside_of_the_state_dict_survives_resuming(
    job: TrainJob, few: Data, exported: Export
) -> None:
    job = job.model_copy(update={"model": exported(Counts()), "save_every": 1})
    unbroken = trained(job, few)
    assert trained(job.model_copy(update={"resume": job.checkpoints / "epoch_001.pth"}), few) == unbroken


class Draws(nn.Module):
    """Draws in every way that students do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.fc = nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.dropout2d(
            nn.functional.rrelu(self.conv(x), training=self.training), 0.2, self.training
        )
        x = nn.functional.alpha_dropout(x, 0.1, self.training)
        if self.training:
            x = x + 0.1 * torch.randn_like(x) * torch.bernoulli(torch.rand_like(x))
        x = x.mean(2).transpose(1, 2)
        x = nn.functional.scaled_dot_product_attention(x, x, x, dropout_p=0.1 if self.training else 0.0)
        return self.fc(nn.functional.dropout(x.mean(1), 0.2, self.training))


def test_all_that_is_drawn_is_drawn_again_after_resuming_whatever_torch_has_drawn(
    job: TrainJob, few: Data, exported: Export
) -> None:
    job = job.model_copy(update={"model": exported(Draws()), "save_every": 1})
    torch.manual_seed(4)
    unbroken = trained(job, few)
    torch.manual_seed(5)
    assert trained(job.model_copy(update={"resume": job.checkpoints / "epoch_002.pth"}), few) == unbroken
    assert trained(job, few) == unbroken


def test_a_network_that_refuses_small_images_goes_on_where_it_was_stopped(
    job: TrainJob, few: Data, exported: Export
) -> None:
    fixed = job.model_copy(update={"model": exported(FixedSize()), "save_every": 1})
    whole = trained(fixed, few)
    resumed = trained(fixed.model_copy(update={"resume": job.checkpoints / "epoch_001.pth"}), few)
    assert resumed.weights_sha256 == whole.weights_sha256
