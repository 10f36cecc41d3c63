"""Each rule of an assignment fails for a network that was made to break it."""

from pathlib import Path

import pytest

from harness.assignment.gallery import reference_of, shipped
from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment, parse_assignment
from harness.authoring.opponents import SOURCE, altered, broken_by, exported
from harness.pipeline.grade import grade_variants
from harness.pipeline.loading import in_sandbox
from harness.pipeline.task import Settings, Task
from harness.rules.registry import RULES
from harness.sources.submission import open_submission

EVERY_RULE = Path(__file__).with_name("every_rule.toml")
"""An assignment that asks for every rule there is; a new one has its line there."""


def silent(*_):
    pass


@pytest.fixture(scope="module")
def compact():
    return load_assignment(DEFAULT_ASSIGNMENT)


@pytest.fixture(scope="module")
def opponents(compact):
    return exported(compact, silent)


def test_every_network_is_exported_and_says_what_it_does(opponents):
    assert len(opponents) == SOURCE.read_text().count("\nclass ")
    assert all(one.name.startswith("a network that ") for one in opponents)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 8), (3, 64)])
def test_they_take_images_of_any_size(shape):
    channels, side = shape
    table = {
        "schema_version": 2, "id": "any", "title": "any", "rules": {},
        "data": {"dataset": "mnist", "resize": side, "channels": channels},
        "recipe": {"epochs": 1, "batch_size": 8, "lr": 0.1},
    }  # fmt: skip
    assert len(exported(parse_assignment(table), silent)) == SOURCE.read_text().count("\nclass ")


def test_every_rule_about_the_graph_of_the_compact_cnn_is_broken_by_one(compact, opponents):
    for variant in compact.variants:
        broken = broken_by(compact, variant, opponents)
        assert [rule for rule, name in broken.items() if not name and RULES[rule].needs == "graph"] == []
        assert "exceed a limit on parameters" in broken["max_parameters"]
        assert "pools by maxima" in broken["no_max_pool"]


def test_without_an_opponent_no_rule_is_broken(compact):
    assert set(broken_by(compact, "basic", ()).values()) == {""}


@pytest.mark.slow
def test_every_rule_there_is_can_be_broken(tmp_path):
    spec = load_assignment(EVERY_RULE)
    assert set(spec.rules) == set(RULES)
    submission = open_submission(reference_of(shipped()["mnist-20k"]), spec)
    graded = grade_variants(Task(submission, spec, Settings(out=tmp_path), in_sandbox()))
    reference = graded.variants["basic"].judged
    tried = (*exported(spec, silent), *altered(reference.network, reference.probed.probe, spec))
    broken = broken_by(spec, "basic", tried)
    assert [rule for rule, name in broken.items() if not name] == []
    assert broken["epochs"] == "the reference with epochs = 50"
    assert broken["untrained_at_chance"] == "the reference with trained weights"
