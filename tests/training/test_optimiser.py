import copy
import math

import pytest
import torch
from torch import nn

from harness.settings.recipe import RecipeSpec
from harness.training.optimiser import Muon, optimised, orthogonalised


@pytest.mark.parametrize("shape", [(24, 27), (128, 112), (64, 64)], ids=["wide", "tall", "square"])
def test_singular_values_come_near_one_and_the_vectors_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    u, _, vh = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    matrix = u @ torch.diag(torch.linspace(0.05, 1, len(vh))) @ vh
    found = orthogonalised(matrix)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.3
    assert values.max() < 1.4
    along = u.T @ found @ vh.T
    assert (along - torch.diag(along.diag())).abs().max() < 1e-3


def test_without_orthogonal_steps_it_is_sgd() -> None:
    torch.manual_seed(0)
    one = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(2))
    one(torch.zeros(1, 3, 8, 8))
    other = copy.deepcopy(one)
    settings = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}
    optimizers = torch.optim.SGD(one.parameters(), **settings), Muon(other.parameters(), **settings)
    for network, optimizer in zip((one, other), optimizers, strict=True):
        for _ in range(3):
            optimizer.zero_grad()
            network(torch.ones(2, 3, 8, 8)).square().sum().backward()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_rates_on_the_device_give_the_same_steps_and_follow_the_groups() -> None:
    torch.manual_seed(0)
    one = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2))
    other = copy.deepcopy(one)
    settings = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-2}
    optimizers = [
        Muon(
            [
                {"params": list(network[0].parameters())[:1], "orthogonal": 0.5},
                {"params": [*list(network[0].parameters())[1:], *network[2].parameters()]},
            ],
            capturable=capturable,
            **settings,
        )
        for network, capturable in ((one, False), (other, True))
    ]
    for step in range(4):
        for network, optimizer in zip((one, other), optimizers, strict=True):
            for group in optimizer.param_groups:
                group["lr"], group["momentum"] = 0.1 / (step + 1), 0.9 - 0.1 * step
            optimizer.set_rates()
            optimizer.zero_grad()
            network(torch.ones(2, 3, 8, 8)).square().sum().backward()
            optimizer.step()
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-4, atol=1e-6)
    for mine, theirs in zip(*(list(o.state_dict()["state"].values()) for o in optimizers), strict=True):
        assert torch.allclose(mine["momentum_buffer"], theirs["momentum_buffer"], rtol=1e-4, atol=1e-6)


def test_a_first_step_is_as_long_as_it_says_whatever_the_gradient() -> None:
    weight = nn.Parameter(torch.zeros(8, 2, 2, 2))
    optimizer = Muon([{"params": [weight], "orthogonal": 0.5}], lr=0.1, momentum=0.9, nesterov=True)
    torch.manual_seed(0)
    weight.grad = torch.randn_like(weight) * 1000
    optimizer.step()
    values = torch.linalg.svdvals(weight.detach().reshape(8, 8))
    assert values.min() > 0.05 * 0.3
    assert values.max() < 0.05 * 1.4


def test_weight_decay_shrinks_by_rate_times_decay() -> None:
    weight = nn.Parameter(torch.full((2, 2, 1, 1), 4.0))
    group = {"params": [weight], "orthogonal": 0.5, "weight_decay": 0.5}
    optimizer = Muon([group], lr=0.1, momentum=0.9, nesterov=True)
    weight.grad = torch.zeros_like(weight)
    optimizer.step()
    assert torch.allclose(weight, torch.full((2, 2, 1, 1), 4.0 * 0.95))


def test_only_convolutions_that_mix_channels_take_such_steps(recipe: RecipeSpec) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, groups=4), nn.Flatten(), nn.Linear(4, 2))
    trained = optimised(network, recipe.model_copy(update={"muon": 0.1}), steps=10)
    groups = trained.optimizer.param_groups
    assert [[tuple(p.shape) for p in group["params"]] for group in groups] == [
        [(4, 3, 3, 3)],
        [(4, 1, 3, 3), (2, 4)],
        [(4,), (4,), (2,)],
    ]
    assert [group.get("orthogonal", 0) for group in groups] == [0.1, 0, 0]


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
