import copy

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
