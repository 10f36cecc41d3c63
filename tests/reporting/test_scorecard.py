"""The scorecard says what the record says, and nothing from a student can break its layout."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from harness.reporting.markdown import escape_markdown, fenced, inline_code
from harness.reporting.scorecard import render_scorecard


@pytest.fixture
def card(record) -> str:
    return render_scorecard(record)


def test_the_verdict_the_points_and_the_accuracy_come_first(card):
    first = "\n".join(card.splitlines()[:4])
    assert "**FAILED**, 10 of 25 points" in first
    assert "`basic` 56.67 %" in first
    assert "95 % interval" in first


def test_every_rule_has_a_row_with_expected_actual_where_and_points(card):
    assert "| `max_parameters` | ✅ passed | &lt; 200,000 | 84,322 |  | 10 / 10 |" in card
    assert (
        "| `no_max_pool` | ❌ failed | no maximum over space | 1 max-pool "
        "| `block.pool` (model.py:7) | 0 / 5 |" in card
    )


def test_a_failed_rule_comes_with_what_to_do(card):
    assert "- `no_max_pool`: replace block.pool by a stride-2 convolution" in card


def test_a_variant_that_could_not_be_taken_in_shows_the_reason_and_the_students_frames(card):
    assert "could not be taken in** (cause: student). model.py:3: NameError" in card
    assert "```text\n  File …\n```" in card


def test_the_receptive_field_the_training_and_the_way_to_repeat_it_are_there(card):
    assert re.search(r"\| +1 \| `c1\.conv` +\| +3 \| +1 \| +1 \| +1 \| +1 \| +3 \| +1 \|", card)
    assert "**Before the pool:** 3 px. **With the pool:** 34 px." in card
    assert re.search(r"\| 2 +\| 1\.0000 +\| 50\.00 % +\| 1\.1000 +\| 56\.67 % +\| 0\.001 +\|", card)
    assert "trained at full size" in card
    assert "harness grade submission" in card
    assert "> Note: the layer spare is registered but never called" in card


def test_every_table_row_has_as_many_cells_as_its_header(card):
    width = None
    for line in card.splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        width = width or cells
        assert cells == width, line


def test_hostile_names_stay_text(record):
    hostile = "<script>alert(1)</script>|`x`\n# heading [a](http://b)"
    variant = record.variants["basic"]
    finding = variant.findings[1].model_copy(
        update={
            "actual": hostile,
            "help": hostile,
            "where": (variant.findings[1].where[0].model_copy(update={"layer": hostile, "source": hostile}),),
        }
    )
    changed = variant.model_copy(
        update={"findings": (finding,), "class_name": hostile, "summary": "````\n<b>"}
    )
    card = render_scorecard(record.model_copy(update={"variants": {"basic": changed}}))
    outside_code = re.sub(r"`[^`\n]*`", "", re.sub(r"(?s)(`{3,})text\n.*?\n\1", "", card))
    assert "<script>" not in outside_code
    assert "\n# heading" not in card
    assert not re.search(r"(?<!\\)\]\(http", outside_code)
    test_every_table_row_has_as_many_cells_as_its_header(card)


def test_a_misspelt_field_in_a_template_is_an_error(record, tmp_path):
    (tmp_path / "scorecard.md.j2").write_text("{{ record.verdikt }}")
    with pytest.raises(UndefinedError, match="verdikt"):
        render_scorecard(record, templates=tmp_path)


@given(st.text())
def test_escaped_text_is_one_line_without_live_markup(text):
    escaped = escape_markdown(text)
    assert len(escaped.splitlines()) <= 1
    assert not re.search(r"(?<!\\)[<>|`*\[]", escaped)


@given(st.text())
def test_inline_code_cannot_be_left(text):
    code = inline_code(text)
    assert code == "" or (code.count("`") == 2 and "|" not in code and len(code.splitlines()) == 1)


@given(st.text(alphabet="`ab\n"))
def test_a_fence_is_longer_than_any_run_of_backticks_inside(text):
    block = fenced(text)
    fence = block.split("text\n", 1)[0]
    assert fence not in block[len(fence) : -len(fence)]
