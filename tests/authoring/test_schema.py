"""The schema of an assignment file takes every shipped one, and refuses what the harness refuses."""

import json
import tomllib

import jsonschema
import pytest

from harness.assignment.gallery import shipped
from harness.authoring.schema import as_text
from harness.rules.registry import RULES

VALIDATOR = jsonschema.Draft202012Validator(json.loads(as_text()))


@pytest.fixture
def table():
    return tomllib.loads(shipped()["mnist-20k"].read_text())


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_assignment_satisfies_the_schema(name):
    mistakes = list(VALIDATOR.iter_errors(tomllib.loads(shipped()[name].read_text())))
    assert [one.message for one in mistakes] == []


def test_every_rule_is_in_the_schema():
    assert set(json.loads(as_text())["properties"]["rules"]["properties"]) == set(RULES)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("max_parameters", {"below": "many"}),
        ("no_max_pool", {"pool": True}),
        ("own_name", {"points": 3}),
        ("own_name", {"rule": "no_such_rule"}),
        ("own_name", {"rule": "count", "family": "no_such_family", "exactly": 1}),
    ],
)
def test_what_a_rule_does_not_take_is_refused(table, name, settings):
    table["rules"][name] = settings
    assert list(VALIDATOR.iter_errors(table))
