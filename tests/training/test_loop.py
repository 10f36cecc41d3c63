import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from harness.base.errors import GraphError, UsageError
from harness.datasets.cifar10 import CIFAR10
from harness.datasets.images import Data, Split
from harness.datasets.spec import DataSpec
from harness.record.trainings import Training, wilson_interval
from harness.settings.recipe import RecipeSpec
from harness.training.checkpoint import weights_sha256
from harness.training.determinism import make_deterministic
from harness.training.events import EpochEvent, Event, StepEvent
from harness.training.images.pixels import Pixels
from harness.training.images.statistics import measured
from harness.training.jobs import Model, TrainJob
from harness.training.loop import Diverged, Inputs, train
from harness.training.measure import measure
from harness.training.network import Network, read
from harness.training.optimiser import optimised

Export = Callable[[nn.Module], Model]


def inputs_of(job: TrainJob, data: Data) -> Inputs:
    make_deterministic(job.recipe.threads)
    device = torch.device("cpu")
    network = Network(*read(job.model.architecture, job.model.weights), device)
    return Inputs(network=network, data=data, stats=measured(data.train.images), device=device)


def trained(job: TrainJob, data: Data, events: list[Event] | None = None) -> Training:
    return train(job, inputs_of(job, data), ([] if events is None else events).append)


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


def test_the_learning_rate_rises_to_the_peak_and_ends_near_zero(recipe: RecipeSpec) -> None:
    fitted = optimised(nn.Linear(2, 2), recipe, 100)
    rates = []
    for _ in range(100):
        rates.append(fitted.schedule.get_last_lr()[0])
        fitted.optimizer.step()
        fitted.schedule.step()
    assert rates[0] == pytest.approx(recipe.lr / recipe.div_factor)
    assert max(rates) == pytest.approx(recipe.lr)
    assert rates.index(max(rates)) == recipe.warmup * 100 - 1
    assert rates[-1] == pytest.approx(recipe.lr / recipe.div_factor / recipe.final_div_factor)


def test_the_learning_rate_falls_in_a_straight_line_or_along_a_cosine(recipe: RecipeSpec) -> None:
    def a_quarter_down(anneal: str) -> float:
        fitted = optimised(nn.Linear(2, 2), recipe.model_copy(update={"anneal": anneal}), 101)
        rates = []
        for _ in range(101):
            rates.append(fitted.schedule.get_last_lr()[0])
            fitted.optimizer.step()
            fitted.schedule.step()
        peak = rates.index(max(rates))
        return rates[peak + (len(rates) - 1 - peak) // 4] / recipe.lr

    assert a_quarter_down("linear") == pytest.approx(0.75, abs=0.01)
    assert a_quarter_down("cosine") == pytest.approx((1 + math.cos(math.pi / 4)) / 2, abs=0.01)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_a_schedule_of_a_few_steps_works(recipe: RecipeSpec, steps: int) -> None:
    fitted = optimised(nn.Linear(2, 2), recipe.model_copy(update={"warmup": 0.25}), steps)
    rates = []
    for _ in range(steps):
        rates.append(fitted.optimizer.param_groups[0]["lr"])
        fitted.optimizer.step()
        fitted.schedule.step()
    assert len(rates) == steps
    assert all(0 < rate <= recipe.lr for rate in rates)


def test_weight_decay_is_on_weights_only(recipe: RecipeSpec) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=4), nn.BatchNorm2d(4))
    mixing, matrices, rest = optimised(network, recipe, 9).optimizer.param_groups
    assert [p.shape for p in mixing["params"]] == [(4, 3, 1, 1)]
    assert [p.shape for p in matrices["params"]] == [(4, 1, 3, 3)]
    assert [p.ndim for p in rest["params"]] == [1, 1, 1, 1]
    groups = (mixing, matrices, rest)
    assert [group["weight_decay"] for group in groups] == [recipe.weight_decay, recipe.weight_decay, 0.0]
    assert {group["momentum"] for group in groups} == {recipe.momentum[1]}
    assert all(group["nesterov"] for group in groups)


def test_the_momentum_is_lowest_where_the_learning_rate_peaks(recipe: RecipeSpec) -> None:
    fitted = optimised(nn.Linear(2, 2), recipe.model_copy(update={"warmup": 0.5}), 10)
    course = []
    for _ in range(10):
        group = fitted.optimizer.param_groups[0]
        course.append((group["lr"], group["momentum"]))
        fitted.optimizer.step()
        fitted.schedule.step()
    peak_lr, lowest = max(course)
    assert peak_lr == pytest.approx(recipe.lr)
    assert lowest == pytest.approx(recipe.momentum[0]) == min(momentum for _, momentum in course)
    assert course[-1][1] == pytest.approx(recipe.momentum[1])


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


class FixedSize(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 32 * 32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.flatten(1))


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


def test_a_network_that_refuses_small_images_goes_on_where_it_was_stopped(
    job: TrainJob, few: Data, exported: Export
) -> None:
    fixed = job.model_copy(update={"model": exported(FixedSize()), "save_every": 1})
    whole = trained(fixed, few)
    resumed = trained(fixed.model_copy(update={"resume": job.checkpoints / "epoch_001.pth"}), few)
    assert resumed.weights_sha256 == whole.weights_sha256


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


class ViewsRows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 10, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.conv(x)
        return h.view(-1, 2, 5 * h.shape[2] * h.shape[3]).view(h.shape[0], 10, -1).mean(2)


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
