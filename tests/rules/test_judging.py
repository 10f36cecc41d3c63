from dataclasses import replace

import pytest

from harness.rules.augmentation import Augmentation
from harness.rules.judging import judge, not_loaded
from harness.rules.registry import RULES
from harness.settings.recipe import TransformSpec


def test_findings_come_in_the_order_of_the_assignment_without_accuracy(basic, network_of, assignment, probe):
    network = network_of(basic(), assignment, probe=probe)
    findings, _, _ = judge(network, assignment.every_rule(), "basic")
    assert [f.rule for f in findings] == list(assignment.rules)[:-1]


def test_points_are_all_or_none_of_what_the_assignment_gives(basic, judged, assignment):
    verdict, most = judged(basic(), "dilated"), assignment.rules["max_parameters"]["points"]
    assert (verdict.max_parameters.points, verdict.max_parameters.max_points) == (most, most)
    assert (verdict.downsampling.status, verdict.downsampling.points) == ("failed", 0)


def test_every_rule_has_a_sentence():
    assert all(rule().checks.startswith("Check ") and rule().checks.endswith(".") for rule in RULES.values())
    assert all(rule.asks and rule.name == name for name, rule in RULES.items())


def test_without_a_run_the_rules_that_need_one_are_open(basic, network_of, assignment):
    network = network_of(basic(), assignment)
    findings, facts, _ = judge(network, assignment.every_rule(), "basic")
    open_rules = {f.rule: f.cause for f in findings if f.status == "not_judged"}
    assert open_rules == {"same_graph_in_eval": "harness", "untrained_at_chance": "harness"}
    assert facts.untrained_accuracy is None


@pytest.mark.parametrize("which", ["accuracy_running", "accuracy_batch"])
def test_trained_weights_are_seen_with_either_statistics(basic, judged, which):
    network = basic()
    assert judged(network, **{which: 0.201}).untrained_at_chance.status == "failed"
    assert judged(network, **{which: 0.2}).untrained_at_chance.status == "passed"


def test_the_same_weights_under_two_seeds_are_a_warning(basic, judged):
    network = basic()
    assert any("two seeds" in text for text in judged(network, seeds_differ=False).facts.warnings)
    assert judged(network, seeds_differ=True).facts.warnings == ()


def test_outputs_that_are_not_numbers_are_a_warning_and_leave_what_is_measured_by_them_open(basic, judged):
    network = basic()
    verdict = judged(network, finite=False)
    assert any("not numbers" in text for text in verdict.facts.warnings)
    for finding in (verdict.untrained_at_chance, verdict.same_graph_in_eval):
        assert (finding.status, finding.cause) == ("not_judged", "student")
        assert finding.actual == "the untrained network gives outputs that are not numbers"
        assert finding.help.startswith("Look for a division by zero")
    assert judged(network, finite=False, batch_difference=1.0).same_graph_in_eval.status == "failed"


def augmented(assignment, architecture, network_of, pipeline):
    network = network_of(architecture, assignment)
    recipe = network.recipe.model_copy(update={"augmentation": tuple(pipeline)})
    settings = next(one.settings for one in assignment.rules_for("basic") if one.name == "augmentation")
    return Augmentation().judge(replace(network, recipe=recipe), settings)


@pytest.mark.parametrize(
    ("names", "missing"),
    [(["HorizontalFlip", "Affine", "CoarseDropout"], None), (["HorizontalFlip", "ShiftScaleRotate",
     "CoarseDropout"], None), (["HorizontalFlip", "Affine"], "CoarseDropout")],
)  # fmt: skip
def test_each_required_transform_may_have_either_name(assignment, basic, network_of, names, missing):
    pipeline = [TransformSpec(name=name, p=0.5) for name in names]
    finding = augmented(assignment, basic(), network_of, pipeline)
    assert finding.status == ("failed" if missing else "passed")
    assert missing is None or f"Add {missing}" in finding.help


def test_a_transform_that_is_never_applied_does_not_count(assignment, basic, network_of):
    pipeline = [TransformSpec(name=n, p=0.0) for n in ("HorizontalFlip", "Affine", "CoarseDropout")]
    assert augmented(assignment, basic(), network_of, pipeline).status == "failed"


@pytest.mark.parametrize(("full", "count"), [(True, 11), (False, 10)])
def test_a_submission_that_could_not_be_taken_in_is_never_a_zero(assignment, full, count):
    findings = not_loaded("student", assignment.rules_for("basic"), full=full)
    assert len(findings) == count
    assert {(f.status, f.cause, f.points) for f in findings} == {("not_judged", "student", None)}


def test_facts_name_layers_and_numbers(basic, judged):
    facts = judged(basic()).facts
    assert [c.where for c in facts.strided_convolutions] == ["s1", "s2", "s3"]
    assert facts.dilations == (2,)
    assert facts.depthwise_convolutions == ("ds.dw", "dil.dw")
    assert facts.logits_shape == ("batch", 10)
    assert facts.max_pools == ()
