"""Each rule of an assignment fails for a network that was made to break it."""

import pytest

from harness.assignment import DEFAULT_ASSIGNMENT, load_assignment, parse_assignment
from harness.authoring.opponents import SOURCE, broken_by, exported
from harness.rules.registry import RULES


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
