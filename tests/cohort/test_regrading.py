"""Another assignment over a graded class: judged from what is stored, nothing trained, nothing lost."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from graded_rows import PROBE, REFERENCE, graded_row

from harness.assignment.spec import DEFAULT_ASSIGNMENT, AssignmentSpec, load_assignment, parse_assignment
from harness.base.errors import HarnessError, UsageError
from harness.cohort.graders.cached import load_intake
from harness.cohort.regrading import NotRegraded, Regraded, new_config, regrade, regrade_class
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.models import CACHED, Row
from harness.loader.protocol import ARCHITECTURE
from harness.record.record import Record, load_record

ACCURACY = load_record(REFERENCE / "results" / "scorecard.json").variants["basic"].facts.accuracy
"""Of the reference's training."""


def changed(assignment: AssignmentSpec, **places: object) -> AssignmentSpec:
    """Change values of an assignment: ``rules__max_parameters__below=50_000``."""
    data = assignment.model_dump(mode="json", by_alias=True)
    for place, value in places.items():
        *path, last = place.split("__")
        table = data
        for key in path:
            table = table[key]
        table[last] = value
    return parse_assignment(data)


@pytest.fixture
def graded(tmp_path, assignment) -> Callable[..., Row]:
    """Give a row graded under the shipped assignment; `full`: with the reference's training."""
    return partial(graded_row, tmp_path, assignment)


def test_what_an_older_harness_has_kept_is_read(graded):
    row = graded()
    file = row.folder / CACHED
    kept = json.loads(file.read_text())
    kept["variants"]["basic"]["probe"]["logits_shape"] = [500, 10]
    file.write_text(json.dumps(kept))
    assert load_intake(row.folder).variants["basic"].probe == PROBE


OTHER_POINTS = {"rules__dilation__points": 15, "rules__no_max_pool__points": 0}


def again(row: Row, **places: object) -> Regraded:
    before = load_assignment(DEFAULT_ASSIGNMENT)
    return regrade(row, before, GradingConfig(changed(before, **places), seed=1))


def statuses(record: Record) -> dict[str, str]:
    return {finding.rule: finding.status for finding in record.variants["basic"].findings}


@pytest.mark.parametrize("full", [True, False])
def test_under_the_same_assignment_the_result_is_the_same_to_the_byte(graded, full):
    row = graded(full=full)
    found = again(row)
    assert found.record.result_sha256 == row.record.result_sha256
    assert found.changes == ()
    assert bool(found.to_train) != full


def test_a_higher_line_fails_what_had_passed_without_training(graded):
    found = again(graded(), rules__min_accuracy__at_least=0.9)
    assert statuses(found.record)["min_accuracy"] == "failed"
    assert found.record.variants["basic"].facts.accuracy == ACCURACY
    most = found.record.variants["basic"].findings[-1].max_points
    assert found.changes == (f"basic: min_accuracy passed {most} of {most} → failed 0 of {most}",)
    assert found.to_train == ()
    assert found.line_moved


def test_a_line_inside_the_interval_asks_for_more_seeds(graded):
    found = again(graded(), rules__min_accuracy__at_least=ACCURACY)
    assert found.to_train == ("basic: too close to the line for 1 seed(s); 3 are needed",)
    assert "min_accuracy" not in statuses(found.record)


def test_other_points_change_the_total_alone(graded, assignment):
    row = graded()
    found = again(row, **OTHER_POINTS)
    assert (found.record.points, found.record.verdict) == (row.record.points, "passed")
    assert statuses(found.record) == statuses(row.record)
    assert [change.split()[1] for change in found.changes] == ["no_max_pool", "dilation"]
    assert not found.line_moved


def test_a_stricter_rule_is_judged_on_the_stored_graph(graded):
    found = again(graded(), rules__max_parameters__below=50_000)
    assert statuses(found.record)["max_parameters"] == "failed"
    assert (found.record.verdict, found.to_train) == ("failed", ())
    assert found.record.variants["basic"].training is not None


def test_another_recipe_asks_for_training_and_says_what_changed(graded, assignment):
    found = again(graded(), recipe__lr=assignment.recipe.lr / 2)
    (why,) = found.to_train
    assert why.startswith("basic: the recipe has changed (lr ")
    assert found.record.variants["basic"].training is None
    assert not found.record.variants["basic"].full


def test_another_tier_of_the_network_itself_alone_asks_for_training(graded, assignment):
    tiers = assignment.model_dump(mode="json")["recipe"]["tiers"]
    others = [one | {"epochs": 3, "stages": []} if one["up_to_mmacs"] != 16 else one for one in tiers]
    assert again(graded("ada"), recipe__tiers=others).to_train == ()
    (why,) = again(graded("eve"), recipe__tiers=[{"epochs": 3, "stages": []}]).to_train
    assert why.startswith("basic: the recipe has changed (epochs 14 → 3, stages ")


def test_another_recipe_asks_for_no_training_where_the_rules_fail(graded, assignment):
    found = again(graded(), recipe__lr=assignment.recipe.lr / 2, rules__max_parameters__below=50_000)
    assert (found.to_train, found.record.verdict) == ((), "failed")


def test_who_was_not_worth_training_and_now_is_has_to_be_trained(graded, assignment):
    strict = changed(assignment, rules__max_parameters__below=50_000)
    row = graded(full=False, config=GradingConfig(strict, seed=1))
    assert row.record.verdict == "failed"
    found = regrade(row, strict, GradingConfig(assignment, seed=1))
    assert found.record.verdict == "passed"
    assert found.to_train == ("basic: not trained yet",)


def test_what_could_not_be_taken_in_stays_so_at_the_new_points(graded, assignment):
    row = graded(full=False, problem="model.py:3: NameError")
    found = again(row, **OTHER_POINTS)
    assert found.record.verdict == "not_judged"
    assert found.record.variants["basic"].problem.message == "model.py:3: NameError"
    assert found.record.variants["basic"].findings[1].max_points == 0


def test_a_diverged_training_stays_failed_at_the_new_points(graded, assignment):
    row = graded()
    variant = row.record.variants["basic"]
    diverged = variant.findings[-1].model_copy(update={"status": "failed", "actual": "diverged", "points": 0})
    without = variant.model_copy(update={"training": None, "findings": (*variant.findings[:-1], diverged)})
    row = replace(row, record=row.record.model_copy(update={"variants": {"basic": without}}))
    found = again(row, rules__min_accuracy__points=35).record.variants["basic"].findings[-1]
    assert (found.status, found.actual, found.points) == ("failed", "diverged", 0)
    assert found.max_points == 35


def test_another_seed_is_refused_with_what_to_do(assignment, graded):
    with pytest.raises(UsageError, match="seed 2: the class was taken in and trained with seed 1"):
        new_config(GradingConfig(assignment, seed=1), changed(assignment, seed=2))
    assert new_config(GradingConfig(assignment, seed=7), changed(assignment, seed=2)).seed == 7
    with pytest.raises(HarnessError, match=r"ada: taken in with seed 1.*expected seed 1, got 7"):
        regrade(graded(), assignment, GradingConfig(assignment, seed=7))


def test_a_variant_that_the_assignment_does_not_have_any_more_is_named(assignment, graded):
    data = assignment.model_dump(mode="json", by_alias=True)
    del data["variants"]["basic"]
    only_dilated = parse_assignment({**data, "default_variant": "dilated"})
    with pytest.raises(HarnessError, match=r"ada: answers variant 'basic'.*expected one of dilated"):
        regrade(graded(), assignment, GradingConfig(only_dilated, seed=1))


def test_one_that_cannot_be_judged_again_leaves_the_others(assignment, graded):
    broken, fine, waiting = graded("bob"), graded("eve"), replace(graded("gus"), record=None)
    (broken.folder / CACHED).unlink()
    torn = graded("hal")
    (torn.folder / "basic" / ARCHITECTURE).write_text("{")
    found = list(regrade_class([broken, fine, torn, waiting], assignment, GradingConfig(assignment, seed=1)))
    assert [type(one) for one in found] == [NotRegraded, Regraded, NotRegraded, NotRegraded]
    assert f"{CACHED}: no such file" in found[0].why
    assert "architecture.json" in found[2].why
    assert found[3].why == "not graded yet"
