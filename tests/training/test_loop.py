import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from rebuilt import FixedSize, ViewsRows
from torch import nn
from trainings import Export, inputs_of, trained

from harness.base.errors import GraphError, UsageError
from harness.datasets.cifar10 import CIFAR10
from harness.datasets.images import Data, Split
from harness.datasets.spec import DataSpec
from harness.record.trainings import wilson_interval
from harness.settings.recipe import RecipeSpec
from harness.training.checkpoint import weights_sha256
from harness.training.events import EpochEvent, Event, StepEvent
from harness.training.images.pixels import Pixels
from harness.training.jobs import TrainJob
from harness.training.loop import Diverged, train
from harness.training.measure import measure
from harness.training.network import Network, read


def test_the_same_seed_gives_the_same_training(job: TrainJob, few: Data) -> None:
    assert trained(job, few) == trained(job, few)


def test_another_seed_gives_other_weights(job: TrainJob, few: Data) -> None:
    other = job.model_copy(update={"seed": 2})
    assert trained(job, few).weights_sha256 != trained(other, few).weights_sha256


def test_bfloat16_repeats_exactly_and_is_another_training(job: TrainJob, few: Data) -> None:
    half = job.model_copy(update={"recipe": job.recipe.model_copy(update={"precision": "bfloat16"})})
    result = trained(half, few)
    assert result == trained(half, few)
    assert result.weights_sha256 != trained(job, few).weights_sha256
    assert result.recipe["precision"] == "bfloat16"


def test_a_training_says_which_precision_was_chosen_for_it(job: TrainJob, few: Data) -> None:
    chosen = job.model_copy(update={"recipe": job.recipe.model_copy(update={"precision": "auto"})})
    result = trained(chosen, few)
    assert result.recipe["precision"] == "float32"
    assert result.weights_sha256 == trained(job, few).weights_sha256


def test_the_graded_measurement_of_a_bfloat16_training_is_float32(job: TrainJob, few: Data) -> None:
    half = job.model_copy(update={"recipe": job.recipe.model_copy(update={"precision": "bfloat16"})})
    inputs = inputs_of(half, few)
    result = train(half, inputs, lambda _: None)
    pixels = Pixels(inputs.stats, inputs.device)
    found = measure(inputs.network, pixels, few.test, 10)
    assert result.confusion == found.confusion
    assert result.epochs[-1].test_loss == round(found.loss, 6)
    assert measure(inputs.network, pixels, few.test, 10, "bfloat16").loss != found.loss


def test_the_result_describes_the_training(job: TrainJob, few: Data) -> None:
    result = trained(job, few)
    correct = sum(row[i] for i, row in enumerate(result.confusion))
    assert [sum(row) for row in result.confusion] == [5] * 10
    assert result.accuracy == correct / 50 == result.epochs[-1].test_acc
    assert result.accuracy_interval == wilson_interval(correct, 50)
    assert [log.epoch for log in result.epochs] == [1, 2, 3]
    assert result.best_epoch == 1 + int(np.argmax([log.test_acc for log in result.epochs]))
    assert (result.data.train_images, result.data.test_images) == (64, 50)
    assert result.data.sha256 == few.sha256
    assert result.initial_sha256 != result.weights_sha256
    assert job.recipe.differences(result.recipe) == ()
    assert all(round(log.train_loss, 6) == log.train_loss for log in result.epochs)
    assert result.notes == ()


def test_initial_weights_are_hashed_before_training(job: TrainJob, few: Data) -> None:
    network = Network(*read(job.model.architecture, job.model.weights), torch.device("cpu"))
    assert trained(job, few).initial_sha256 == weights_sha256(network)


def test_frozen_parameters_are_left_alone(
    job: TrainJob, few: Data, exported: Export, tiny: type[nn.Module]
) -> None:
    model = tiny()
    model.conv.weight.requires_grad_(False)
    inputs = inputs_of(job.model_copy(update={"model": exported(model)}), few)
    train(job, inputs, lambda event: None)
    assert torch.equal(inputs.network.state_dict()["conv.weight"], model.state_dict()["conv.weight"])


def test_nothing_to_train_is_an_error(
    job: TrainJob, few: Data, exported: Export, tiny: type[nn.Module]
) -> None:
    job = job.model_copy(update={"model": exported(tiny().requires_grad_(False))})
    with pytest.raises(
        GraphError, match="nothing to train; expected at least one trainable parameter, got none"
    ):
        trained(job, few)


def test_a_batch_larger_than_the_data_is_an_error(job: TrainJob, few: Data) -> None:
    recipe = job.recipe.model_copy(update={"batch_size": 65})
    with pytest.raises(
        UsageError, match=r"batch_size: larger than the training split; expected at most 64, got 65"
    ):
        trained(job.model_copy(update={"recipe": recipe}), few)


def test_a_wrong_number_of_logits_is_an_error(job: TrainJob, few: Data) -> None:
    with pytest.raises(GraphError, match=r"two images give logits of shape \(2, 10\); expected \(2, 7\)"):
        trained(
            job.model_copy(update={"data": DataSpec(dataset="cifar10", classes=CIFAR10.classes[:7])}), few
        )


def test_a_network_that_refuses_small_images_gets_no_more_arithmetic_than_others(
    job: TrainJob, few: Data, exported: Export
) -> None:
    stages = [{"epochs": 3, "size_px": 16}, {"epochs": 1, "size_px": 24}]
    recipe = RecipeSpec.model_validate(job.recipe.model_dump() | {"epochs": 5, "stages": stages})
    said: list[Event] = []
    fixed = job.model_copy(update={"model": exported(FixedSize()), "recipe": recipe})
    result = train(fixed, inputs_of(fixed, few), said.append)
    # 3 / 4 + 9 / 16 of an epoch are one, and the last of the recipe; the schedule ends with the second.
    assert [log.epoch for log in result.epochs] == [1, 2]
    assert result.epochs[-1].lr < recipe.lr / recipe.div_factor
    assert {event.epochs for event in said if isinstance(event, EpochEvent)} == {2}
    assert recipe.differences(result.recipe) == ()
    (note,) = result.notes
    assert note.startswith(
        "Trained 1 epochs at 32 px in place of 4 that the recipe plans on smaller images (3 at 16 px, 1 at "
        "24 px), for no more arithmetic: the graph cannot run at 16 px (RuntimeError: "
    )


class FixedPool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.pool = nn.AvgPool2d(16)
        self.fc = nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pool(self.conv(x)).view(-1, 4))


class GlobalPool(FixedPool):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).mean((2, 3)))


def test_a_pool_over_the_whole_map_covers_the_smaller_map_of_smaller_images(
    job: TrainJob, few: Data, exported: Export
) -> None:
    torch.manual_seed(1)
    result = trained(job.model_copy(update={"model": exported(FixedPool())}), few)
    torch.manual_seed(1)
    expected = trained(job.model_copy(update={"model": exported(GlobalPool())}), few)
    assert [log.epoch for log in result.epochs] == [log.epoch for log in expected.epochs]
    for log, same in zip(result.epochs, expected.epochs, strict=True):
        assert log.train_loss == pytest.approx(same.train_loss, abs=1e-4)
        assert log.test_loss == pytest.approx(same.test_loss, abs=1e-4)
    (note,) = result.notes
    assert note == (
        "On images of 16 px the average pool over the whole map covers the smaller map; "
        "at 32 px the graph runs as handed in."
    )


def test_a_stage_changes_what_is_learned(job: TrainJob, few: Data) -> None:
    full = job.model_copy(update={"recipe": job.recipe.model_copy(update={"stages": ()})})
    assert trained(job, few).weights_sha256 != trained(full, few).weights_sha256


def test_an_epoch_is_measured_at_the_size_it_trained_at(job: TrainJob, few: Data) -> None:
    inputs = inputs_of(job, few)
    result = train(job.model_copy(update={"save_every": 1}), inputs, lambda _: None)
    pixels = Pixels(inputs.stats, inputs.device)
    for epoch, size_px in ((1, 16), (2, 32)):
        snapshot = torch.load(job.checkpoints / f"epoch_{epoch:03d}.pth", weights_only=True)
        inputs.network.load_state_dict(snapshot["model"])
        found = measure(inputs.network, pixels, few.test, 10, size_px=size_px)
        assert result.epochs[epoch - 1].test_loss == round(found.loss, 6)


def test_a_graph_that_needs_nchw_is_trained_so_and_said(job: TrainJob, few: Data, exported: Export) -> None:
    notes = trained(job.model_copy(update={"model": exported(ViewsRows())}), few).notes
    assert notes[0].startswith(
        "Trained in NCHW layout, which is slower: channels_last cannot be used (Runtime"
    )


def test_a_loss_that_is_no_number_ends_the_training(job: TrainJob, few: Data) -> None:
    hot = job.model_copy(update={"recipe": job.recipe.model_copy(update={"lr": 1e30})})
    with pytest.raises(Diverged) as caught:
        trained(hot, few)
    event = caught.value.event
    assert event.epoch <= 2
    assert 1 <= event.step <= 4
    assert event.message.startswith(
        f"training: diverged in epoch {event.epoch}, at or before step {event.step} of 4"
    )
    assert "Lower the learning rate (peak 1e+30)" in event.message
    assert (event.loss, event.peak_lr, event.rising) == ("training", 1e30, True)


class NanInEval(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.fc(x.mean((2, 3)))
        return y if self.training else y * math.nan


def test_a_test_loss_that_is_no_number_ends_the_training_too(
    job: TrainJob, few: Data, exported: Export
) -> None:
    with pytest.raises(Diverged, match="expected a finite test loss, got nan") as caught:
        trained(job.model_copy(update={"model": exported(NanInEval())}), few)
    assert caught.value.event.loss == "test"


def test_progress_is_reported_seldom_and_every_epoch(job: TrainJob, few: Data, events: list[Event]) -> None:
    trained(job, few, events)
    epochs = [event for event in events if isinstance(event, EpochEvent)]
    steps = [event for event in events if isinstance(event, StepEvent)]
    assert [event.log.epoch for event in epochs] == [1, 2, 3]
    assert 3 <= len(steps) <= 12
    assert {(event.steps, event.epochs) for event in steps} == {(4, 3)}


def test_training_does_not_depend_on_the_test_images(job: TrainJob, few: Data) -> None:
    other = replace(few, test=Split(few.test.images[:20], few.test.labels[:20]))
    assert trained(job, few).weights_sha256 == trained(job, other).weights_sha256
