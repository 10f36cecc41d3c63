"""An assignment is tried: its reference, networks that should not pass, an epoch, and how long it takes."""

import pytest

from harness.assignment.spec import load_assignment, parse_assignment
from harness.authoring.trial import forecast, outcome, try_out
from harness.authoring.writing import write_for
from harness.base.machine import Check
from harness.pipeline.task import Settings


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A new assignment about MNIST, on a machine that does not have the data."""
    monkeypatch.chdir(tmp_path)
    for name in ("MNIST_ROOT", "HARNESS_DATA"):
        monkeypatch.delenv(name, raising=False)
    return write_for(tmp_path / "new", "mnist")


def tried(written, tmp_path, change=lambda text: text, submission=True):
    written.assignment.write_text(change(written.assignment.read_text()))
    spec = load_assignment(written.assignment)
    settings = Settings(out=tmp_path / "out", stats_cache=tmp_path / "stats.json")
    found = tuple(try_out(spec, written.reference if submission else None, settings, lambda *_: None))
    return outcome(found), {check.name: check for check in found}


@pytest.mark.slow
def test_a_new_assignment_can_be_graded_by(written, tmp_path):
    code, checks = tried(written, tmp_path)
    assert code == 0
    assert {check.level for check in checks.values()} == {"PASS", "CAUTION"}
    assert [name for name, check in checks.items() if check.level == "CAUTION"] == ["data"]
    assert "the reference passes: 70,330; fails for a network that" in checks["basic: max_parameters"].found
    assert "the embedded sample, not the data set" in checks["epoch"].found
    assert checks["time"].found.startswith("a grade of basic takes about")


@pytest.mark.slow
def test_where_the_rules_alone_are_the_grade_nothing_is_trained(written, tmp_path):
    code, checks = tried(written, tmp_path, lambda text: f"{text}\n[policy]\nrules_only = true\n")
    assert code == 0
    assert "epoch" not in checks
    assert checks["time"].found == "a grade takes seconds: the rules alone are the grade"


@pytest.mark.slow
def test_a_reference_without_a_variant_that_is_asked_for_fails(written, tmp_path):
    both = (
        '[policy]\nvariants = "all"\nrules_only = true\n'
        '[variants.basic]\ntitle = "one"\n[variants.other]\ntitle = "two"\n'
    )
    code, checks = tried(written, tmp_path, lambda text: f"{text}\n{both}")
    assert code == 1
    assert (checks["other"].level, checks["other"].found) == (
        "FAIL", "asked for, and the reference does not answer it",
    )  # fmt: skip


@pytest.mark.slow
def test_a_reference_that_breaks_a_rule_is_named_with_what_it_breaks(written, tmp_path):
    def stricter(text):
        return text.replace("below = 110_000", "below = 50_000").replace(
            "[rules.min_accuracy]", "[rules.no_max_pool]", 1
        )

    code, checks = tried(written, tmp_path, lambda text: without_accuracy(stricter(text)))
    assert code == 1
    check = checks["basic: max_parameters"]
    assert check.level == "FAIL"
    assert check.found == "the reference does not pass: expected fewer than 50,000, found 70,330"


def without_accuracy(text):
    return text.replace("at_least = ", "# at_least = ")


def test_without_a_reference_the_rules_are_tried_by_themselves(written, tmp_path):
    code, checks = tried(written, tmp_path, submission=False)
    assert code == 0
    assert checks["reference"].level == "CAUTION"
    assert checks["basic: max_parameters"].found.startswith("fails for a network that")


@pytest.mark.slow
def test_without_data_and_without_a_sample_nothing_is_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("FASHION_MNIST_ROOT", "HARNESS_DATA"):
        monkeypatch.delenv(name, raising=False)
    code, checks = tried(write_for(tmp_path / "new", "fashion_mnist"), tmp_path)
    assert code == 0
    assert (checks["epoch"].level, checks["data"].level) == ("CAUTION", "CAUTION")
    assert "Fashion-MNIST is not here, and no sample is embedded. Put" in checks["epoch"].fix
    assert "time" not in checks


def test_what_fails_decides_the_exit_code():
    assert outcome((Check("a", "PASS", ""), Check("b", "CAUTION", ""))) == 0
    assert outcome((Check("basic: dilation", "FAIL", ""),)) == 1
    assert outcome((Check("epoch", "FAIL", ""), Check("basic: dilation", "FAIL", ""))) == 3


def spec(**changes):
    return parse_assignment(
        {
            "schema_version": 2, "id": "a", "title": "a", "data": {"dataset": "cifar10"},
            "rules": {"min_accuracy": {"at_least": 0.5}},
            "recipe": {"epochs": 10, "batch_size": 8, "lr": 0.1, "stages": [{"epochs": 4, "size_px": 16}]},
            "seeds": {"first": 1, "borderline": 3},
        }
        | changes
    )  # fmt: skip


def test_an_epoch_of_half_the_side_costs_a_quarter():
    found = forecast(spec(), "basic", spec().recipe, epoch_s=10)
    assert (found.first_s, found.borderline_s) == (70, 210)
    assert (found.epochs, found.trainings, found.most_trainings) == (10, 1, 3)


def test_a_rule_about_the_mean_of_seeds_takes_as_many_trainings():
    asked = spec(rules={"min_accuracy": {"at_least": 0.5, "mean_of_seeds": 3}})
    assert forecast(asked, "basic", asked.recipe, epoch_s=10).first_s == 210


def test_without_a_rule_about_trainings_nothing_is_trained():
    untrained = spec(rules={})
    assert forecast(untrained, "basic", untrained.recipe, epoch_s=10).most_trainings == 0
