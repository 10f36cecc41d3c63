"""The optimiser and its schedule: what decays, and how rate and momentum run."""

import pytest
from torch import nn

from harness.settings.recipe import RecipeSpec
from harness.training.loop import optimised


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
