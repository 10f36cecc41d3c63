"""The table for people: it says what the rows say, needs no other file, and is not moved by hostile names."""

import re

import pytest
from html_page import Page

from harness.cohort.page import lines, render_markdown, render_page, rule_counts, state_of
from harness.cohort.table import ClassTable


def test_it_says_how_the_class_stands(class_table, unreadable):
    text = Page(render_page(class_table)).text
    for said in (
        class_table.assignment.title,
        "10 students", "4 ✓ passed", "2 ✗ failed", "1 ? not judged", "1 … waiting", "1 … no verdict",
        "4 totals are not final",
        "100 of 100", "87.34 ± 0.65", "84,322", "75 of 100, 25 open",
        "1 … rules passed", "rules passed not final: 25 points are open: not trained",
        unreadable, "no grader survived it",
        "5 networks, 84.32 to 90.12 %; median 87.34 %.",
        "no_max_pool no max-pooling, under any name 1 1 6",
    ):  # fmt: skip
        assert said in text


def test_the_verdicts_are_counted_as_the_rows_have_them(class_table):
    counted = {one.rule: one.counts for one in rule_counts(class_table)}
    assert counted["min_accuracy"] == {"passed": 4, "failed": 1, "not_judged": 1}
    assert counted["max_parameters"] == {"passed": 7, "not_judged": 1}
    assert [one.rule for one in rule_counts(class_table)][-1] == "max_parameters"


@pytest.mark.parametrize(
    ("state", "shown"),
    [("waiting", "waiting"), ("running", "running"), ("failed", "none"), ("graded", "none")],
)
def test_what_has_no_record_has_a_state(row, state, shown):
    assert state_of(row(state=state, record=None)) == shown


def test_every_element_is_closed_and_no_id_is_used_twice(class_table, hostile_table):
    for table in (class_table, hostile_table):
        page = Page(render_page(table))
        assert page.open == page.misplaced == []
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        named = [attributes.get("aria-labelledby") for _, attributes in page.elements]
        assert {name for name in named if name} <= set(ids)


def test_it_needs_no_other_file_and_links_to_the_scorecards_alone(class_table):
    page = Page(render_page(class_table))
    assert [one["href"] for one in page.all("a")] == ["files/ab/c%20d/scorecard.html"]
    assert [one["href"] for one in page.all("link")] == ["data:,"]
    assert page.all("img") == []
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_hostile_names_stay_text(hostile_table, class_table):
    html = render_page(hostile_table)
    page, plain = Page(html), Page(render_page(class_table))
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in plain.elements}
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert page.all("a") == page.all("img") == []
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\u200b]", html)
    assert "⟨U+001B⟩[31mred" in page.text
    html.encode()


def test_hostile_names_stay_in_their_cell_of_the_markdown(hostile_table, class_table):
    text = render_markdown(hostile_table)
    text.encode()
    first = text.splitlines().index(next(line for line in text.splitlines() if line.startswith("| Student")))
    body = text.splitlines()[first : first + 2 + len(hostile_table.rows)]
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in body}
    assert len(cells) == 1
    assert "<script" not in text
    assert not re.search(r"(?<!\\)\]\(javascript", text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)


def test_the_markdown_says_how_the_class_stands(class_table, unreadable):
    text = render_markdown(class_table)
    assert "10 students: 4 passed, 2 failed, 1 rules passed, 1 not judged, 1 waiting, 1 no verdict." in text
    assert "| ada | ✅ passed | 100 of 100 | 87.34 ± 0.65 | 84,322 | 55 | ✅ | ✅ | ✅ | ✅ | 62 |" in text
    assert f"| fay | ⚠️ not judged: {unreadable} | – (100 open) |" in text
    assert "| `no_max_pool` | 1 | 1 | 6 |" in text


def test_a_class_of_two_variants_names_them_in_the_heads(row, class_table):
    table = ClassTable((row("ada", variants=("basic", "dilated")),), class_table.assignment, class_table.out)
    text = Page(render_page(table)).text
    assert "basic: Accuracy, %" in text
    assert "dilated: RF, px" in text
    assert len(lines(table)[0].cells) == 2 + 2 * (3 + 4)


def test_a_class_that_nobody_has_graded_yet_has_a_page(row, class_table):
    table = ClassTable((row("gus", state="waiting", record=None),), class_table.assignment, class_table.out)
    page = Page(render_page(table))
    assert page.open == page.misplaced == []
    assert "1 … waiting" in page.text
    assert "gus" in render_markdown(table)
