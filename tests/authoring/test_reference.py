"""The page about assignments has every key, rule and data set as the code has them.

``HARNESS_WRITE_DOCS=1 pytest tests/authoring/test_reference.py`` writes the generated parts again.
"""

import os
import re
import tomllib

import pytest
from checkout import REPOSITORY

from harness.assignment.gallery import shipped
from harness.assignment.spec import parse_assignment
from harness.authoring.reference import sections
from harness.cli.assignment import COMMANDS
from harness.report.markers import fill_sections
from harness.rules.registry import RULES

PAGE = REPOSITORY / "docs" / "assignments.md"


def test_the_generated_parts_are_those_of_the_registries():
    text = PAGE.read_text()
    filled = fill_sections(text, sections(), PAGE.name)
    if os.environ.get("HARNESS_WRITE_DOCS"):
        PAGE.write_text(filled)
    assert filled == PAGE.read_text()


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_its_place(name):
    assert f"**`{name}`**" in sections()["RULES"]


@pytest.mark.parametrize("name", shipped())
def test_the_gallery_names_every_shipped_assignment(name):
    assert f"| [`{name}`](../checks/assignments/{name}.toml) |" in PAGE.read_text()


@pytest.mark.parametrize("example", [example for _, _, example in COMMANDS])
def test_every_command_is_shown(example):
    assert " ".join(example.split()[:3]) in PAGE.read_text()


EXAMPLES = [
    tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: next(iter(example)))
def test_every_example_of_the_page_is_valid(example):
    small = EXAMPLES[0]
    spec = parse_assignment({**small, **example, "rules": {**small["rules"], **example.get("rules", {})}})
    assert list(spec.variants) == ["basic"]


def test_every_rule_is_shown_in_an_example():
    asked = {
        table.get("rule", name) for example in EXAMPLES for name, table in example.get("rules", {}).items()
    }
    assert asked | {"min_receptive_field", "untrained_at_chance"} == set(RULES)
