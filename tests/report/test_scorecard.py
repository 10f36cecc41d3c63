"""The scorecard says what the record says, and nothing from a student can break its layout."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from harness.record.findings import Finding
from harness.report.markdown import escape_markdown, fenced, inline_code, pictures_beside, render_scorecard


@pytest.fixture
def card(record) -> str:
    return render_scorecard(record)


def test_the_verdict_the_points_and_the_accuracy_come_first(card):
    first = "\n".join(card.splitlines()[:6])
    assert "**FAILED**, 10 of 25 points" in first
    assert (
        "- `basic`, three strides: ❌ failed, 10 of 15 points. Accuracy: 56.67 % on 30 test images" in first
    )
    assert "95 % interval 39.20 % to 72.62 %" in first


def test_the_margin_comes_first_too(record):
    said = "86.25 % after epoch 24 on 10,000 test images, margin +1.25 points"
    finding = Finding(
        rule="min_accuracy", status="passed", expected="at least 85 %", actual=said, points=5, max_points=5
    )
    variant = record.variants["basic"].model_copy(update={"findings": (finding,)})
    card = render_scorecard(record.model_copy(update={"variants": {"basic": variant}}))
    assert f"Accuracy: {said} (asked: at least 85 %)." in "\n".join(card.splitlines()[:6])


def test_several_seeds_are_all_shown_with_the_mean(record, training):
    more = tuple(
        training.model_copy(update={"seed": seed, "weights_sha256": f"{seed}" * 64}) for seed in (2, 3)
    )
    basic = record.variants["basic"].model_copy(update={"more_trainings": more})
    card = render_scorecard(record.model_copy(update={"variants": {"basic": basic}}))
    assert "more seeds were trained and the mean decides: 56.67 %" in card
    assert card.count("| 56.67 %         | 39.20 % to 72.62 % |") == 3
    for seed in (1, 2, 3):
        assert f"| Final weights of `basic`, seed {seed} |" in card


def test_one_line_per_rule_fits_one_screen_before_the_details(card):
    overview = card.split("\n## ", 1)[0].splitlines()
    assert len(overview) < 25
    assert "| `no_max_pool` | no max-pooling, under any name | ❌ failed, 0 / 5 |  |" in overview


def test_every_rule_has_a_row_with_expected_actual_where_and_points(card):
    assert "| `max_parameters` | ✅ passed | &lt; 200,000 | 84,322 |  | 10 / 10 |" in card
    assert (
        "| `no_max_pool` | ❌ failed | no maximum over space | 1 max-pool "
        "| `block.pool` (model.py:7) | 0 / 5 |" in card
    )


def test_a_failed_rule_comes_with_what_to_do(card):
    assert "1. ❌ failed `no_max_pool`: replace block.pool by a stride-2 convolution" in card
    assert "`harness explain RULE` says what a rule allows" in card


def test_what_is_not_judged_says_whose_fault_it_is_and_comes_after_what_failed(record):
    failed = record.variants["basic"].findings[1]
    unknown = failed.model_copy(
        update={"rule": "dilation", "status": "not_judged", "cause": "harness", "help": "ask", "points": None}
    )
    variant = record.variants["basic"].model_copy(update={"findings": (unknown, failed)})
    card = render_scorecard(record.model_copy(update={"variants": {"basic": variant}}))
    said = "2. ⚠️ not judged `dilation`: ask (cause: the harness itself, not the submission)"
    assert card.index("1. ❌ failed `no_max_pool`") < card.index(said)


def test_a_variant_that_could_not_be_loaded_is_not_said_to_lack_accuracy(card):
    assert "The submission could not be loaded." in card
    assert "Accuracy: no graph to look at" not in card


def test_a_variant_that_could_not_be_loaded_shows_the_reason_and_the_students_frames(card):
    assert "could not be loaded** (cause: something in the submission). model.py:3: NameError" in card
    assert "```text\n  File …\n```" in card


def test_the_receptive_field_the_training_and_the_way_to_repeat_it_are_there(card):
    assert re.search(r"\| +1 \| `c1\.conv` +\| +3 \| +1 \| +1 \| +1 \| +1 \| +3 \| +1 \|", card)
    assert "**Before the pool:** 3 px. **With the pool:** 34 px." in card
    assert re.search(r"\| 2 +\| 1\.0000 +\| 50\.00 % +\| 1\.1000 +\| 56\.67 % +\| 0\.001 +\|", card)
    assert "trained at full size" in card
    assert "harness grade submission" in card
    assert "> Note: the layer spare is registered but never called" in card


def test_why_a_network_gets_its_epochs_is_said(record, card):
    why = "54 million multiply-adds an image: 10 epochs"
    tiered = record.model_copy(
        update={"provenance": {**record.provenance, "recipe": {"basic": {"why": why}}}}
    )
    assert f"device cpu. Recipe: {why}." in render_scorecard(tiered)
    assert "Recipe: " not in card


def test_every_table_row_has_as_many_cells_as_its_header(card):
    width = None
    for line in card.splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        width = width or cells
        assert cells == width, line


def test_pictures_that_were_drawn_are_shown(record, tmp_path):
    plots = tmp_path / "my model" / "plots"
    plots.mkdir(parents=True)
    (plots / "acc_curves.png").write_bytes(b"")
    folders = {"basic": tmp_path / "my model", "dilated": tmp_path / "none"}
    card = render_scorecard(record, pictures_beside(tmp_path, folders))
    assert "![Accuracy by epoch](my%20model/plots/acc_curves.png)" in card
    assert card.count("![") == 1


def test_hostile_names_stay_text(record):
    hostile = "<script>alert(1)</script>|`x`\n# heading [a](http://b) \x1b[31m \u202egnp." + "y" * 5_000
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
    assert "\x1b" not in card
    assert "\u202e" not in card
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
