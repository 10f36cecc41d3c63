"""How long a training takes is worked out from its graph, and one that its limit would end is not begun."""

import json

import pytest
from checkout import REPOSITORY

from harness.assignment.spec import AssignmentSpec
from harness.base.errors import TrainingError
from harness.base.machine import processor
from harness.graph.ir import Architecture, parse_architecture
from harness.graph.workload import workload
from harness.pipeline import duration
from harness.pipeline.duration import IMAGE_S, check_limit, in_words, training_s

COSTS = (1e-5, 2e-5, 3e-5, 4e-4, 5e-5, 6e-5)
"""Seconds of each kind of work on a machine that is made up."""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "harness"


@pytest.fixture
def calibrated(cache, monkeypatch):
    """A machine whose speed is known: nothing has to be measured."""
    monkeypatch.setattr(duration.runner, "run", _no_child)
    for precision in ("float32", "bfloat16"):
        kept = duration.speed_file(precision, 2)
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps({"seconds": COSTS}))
    return cache


@pytest.fixture
def basic() -> Architecture:
    graph = REPOSITORY / "submission" / "results" / "base_model" / "architecture.json"
    return parse_architecture(graph.read_bytes())


def _no_child(*_):
    raise AssertionError("measured again")


def test_a_training_takes_its_steps_at_each_size_and_measuring(calibrated, basic, assignment: AssignmentSpec):
    recipe = assignment.recipe.at_cost(14).changed({"epochs": 3, "stages": [{"epochs": 2, "size_px": 16}]})
    small, full = (
        sum(cost * amount for cost, amount in zip(COSTS, workload(basic).amounts(128, share), strict=True))
        + 128 * IMAGE_S
        for share in (1 / 4, 1)
    )
    steps = 50_000 // 128 + duration.FORWARD * 10_000 / 128
    assert training_s(basic, recipe, assignment, "cpu") == pytest.approx(steps * (2 * small + full))


def test_nothing_is_said_of_gpus_and_of_images_that_nobody_has_counted(calibrated, basic, assignment):
    recipe = assignment.recipe.at_cost(14)
    assert training_s(basic, recipe, assignment, "cuda") is None
    own = assignment.data.model_copy(update={"dataset": "folder"})
    assert own.train_images is None
    assert training_s(basic, recipe, assignment.model_copy(update={"data": own}), "cpu") is None


@pytest.mark.slow
@pytest.mark.parametrize("before", [None, "", '{"seconds": [1]}', '{"seconds": [-1, 0, 0, 0, 0, 0]}'])
def test_the_speed_of_this_machine_is_measured_once_and_kept(cache, basic, assignment, monkeypatch, before):
    recipe = assignment.recipe.at_cost(14).changed({"precision": "float32"})
    kept = duration.speed_file("float32", recipe.threads)
    if before is not None:
        kept.parent.mkdir()
        kept.write_text(before)
    first = training_s(basic, recipe, assignment, "cpu")
    about = json.loads(kept.read_text())
    assert (about["processor"], about["threads"], about["precision"]) == (processor(), 2, "float32")
    monkeypatch.setattr(duration.runner, "run", _no_child)
    assert training_s(basic, recipe, assignment, "cpu") == first > 0


def test_a_training_that_its_limit_would_end_is_not_begun_and_says_what_to_do():
    with pytest.raises(TrainingError) as caught:
        check_limit(72_000, 28_800)
    assert str(caught.value) == (
        "training: it would take about 20.0 hours here, and limits.training_s = 28800 ends it after 8.0 "
        "hours, so it was not begun. Raise the limit in the assignment, ask for fewer epochs, or grade on a "
        "faster machine."
    )


def test_an_estimate_is_believed_only_as_far_as_it_goes():
    check_limit(100, 100)
    check_limit(100 / (1 - duration.ERROR) - 1, 100)
    with pytest.raises(TrainingError):
        check_limit(100 / (1 - duration.ERROR) + 1, 100)


@pytest.mark.parametrize(("seconds", "said"), [(40, "40 seconds"), (200, "3 minutes"), (9000, "2.5 hours")])
def test_a_time_is_said_in_the_unit_it_is_felt_in(seconds, said):
    assert in_words(seconds) == said
