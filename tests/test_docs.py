"""The documentation names what exists."""

import pytest

from harness.assignment import REPOSITORY, Points
from harness.record import (
    DataUsed,
    EpochLog,
    Facts,
    Finding,
    Problem,
    ReceptiveFieldRow,
    Record,
    StridedConvolution,
    Training,
    VariantRecord,
    Where,
)

MODELS = [
    DataUsed, EpochLog, Facts, Finding, Problem, ReceptiveFieldRow, Record, StridedConvolution, Training,
    VariantRecord, Where,
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_of_the_record_is_documented(model):
    text = (REPOSITORY / "docs" / "record.md").read_text()
    missing = [
        f.alias or name for name, f in model.model_fields.items() if f"`{f.alias or name}`" not in text
    ]
    assert not missing


@pytest.mark.parametrize("rule", Points.model_fields)
def test_every_rule_has_its_place_in_the_rules_page(rule):
    assert f"`{rule}`" in (REPOSITORY / "docs" / "rules.md").read_text()


@pytest.mark.parametrize(
    "command", ["make grade", "make test", "make setup", "harness check", "harness train", "harness explain"]
)
def test_the_readme_shows_the_commands(command):
    assert command in (REPOSITORY / "README.md").read_text()
