"""The larger values are preferred where enough of the levels tried say so; a bend or rounding is not."""

import pytest

from harness.training.probe.preference import (
    ALL_LEVELS,
    LEVELS,
    LOW_LEVELS,
    MANY_LEVELS,
    MILD_LEVELS,
    NEGATED,
    Weights,
    prefers_larger,
)

EVEN = Weights(few=1.0, much=1.0, value=1.0)


def found(changed, few, much):
    return dict.fromkeys(ALL_LEVELS, EVEN) | dict.fromkeys(changed, Weights(few, much, value=1.0))


def test_equal_weights_are_an_average():
    assert not prefers_larger(found((), 1, 1), "window")


@pytest.mark.parametrize("levels", [LEVELS, NEGATED])
def test_more_weight_at_enough_levels_is_a_preference(levels):
    assert prefers_larger(found(levels[:MANY_LEVELS], 0.4, 40.0), "window")
    assert not prefers_larger(found(levels[: MANY_LEVELS - 1], 0.4, 40.0), "window")


def test_the_smaller_values_may_take_a_little_away():
    assert prefers_larger(found(LEVELS, -0.4, 40.0), "window")
    assert not prefers_larger(found(LEVELS, -40.0, 40.0), "window")


def test_the_whole_map_may_weigh_more_than_a_window_may():
    assert prefers_larger(found(LEVELS, 100.0, 400.0), "window")
    assert not prefers_larger(found(LEVELS, 100.0, 400.0), "whole")


@pytest.mark.parametrize("levels", [LOW_LEVELS, MILD_LEVELS])
def test_a_preference_at_negative_values_takes_two_levels(levels):
    assert prefers_larger(found(levels[-2:], 0.1, 0.9), "window") or levels is MILD_LEVELS
    assert not prefers_larger(found(levels[-1:], 0.1, 0.9), "window")


def test_a_bend_between_values_that_weigh_more_is_none():
    falls_and_rises = found(MILD_LEVELS[1:], 0.1, 0.9)
    assert not prefers_larger(falls_and_rises, "window")
    only_rises = falls_and_rises | {MILD_LEVELS[0]: Weights(0.0, 0.1, 1.0)}
    assert prefers_larger(only_rises, "window")


def test_weights_that_are_rounding_are_none():
    assert not prefers_larger(dict.fromkeys(ALL_LEVELS, Weights(1e-20, 1e-18, value=1.0)), "window")


def test_behind_a_learned_layer_a_maximum_grows_as_its_values_do():
    growing = {level: Weights(1.0, 10.0, value=abs(level[1])) for level in ALL_LEVELS}
    squared = {level: Weights(1.0, 10.0, value=level[1] ** 2 / 300) for level in ALL_LEVELS}
    assert prefers_larger(growing, "layer")
    assert not prefers_larger(squared, "layer")
