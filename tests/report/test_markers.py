"""Blocks between markers are found or the line is named where they are wrong; the rest is not touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import UsageError
from harness.report.markers import fill_sections, find_sections

NAMES = ("RF_NET", "CM_BASE")


def fill(text: str, **contents: str) -> str:
    return fill_sections(text, contents, "README.md")


def test_what_is_between_the_markers_is_replaced_and_nothing_else():
    text = "# Title\n\n<!-- RF_NET -->\nold\n\nolder\n<!-- /RF_NET -->\nend"
    assert fill(text, RF_NET="new\ntable") == "# Title\n\n<!-- RF_NET -->\nnew\ntable\n<!-- /RF_NET -->\nend"


def test_filling_twice_changes_nothing_the_second_time():
    once = fill("a\n<!-- RF_NET --><!-- /RF_NET -->b", RF_NET="\nnew\n")
    assert once == "a\n<!-- RF_NET -->\nnew\n<!-- /RF_NET -->b"
    assert fill(once, RF_NET="\nnew\n") == once


@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r"])
def test_lines_end_as_in_the_file(newline):
    text = newline.join(["a", "<!-- RF_NET -->", "old", "<!-- /RF_NET -->", "b"])
    filled = fill(text, RF_NET="x\ny")
    assert filled == newline.join(["a", "<!-- RF_NET -->", "x", "y", "<!-- /RF_NET -->", "b"])


def test_a_name_that_is_not_asked_for_is_left_alone_closed_or_not():
    text = "<!-- OTHER -->\n<!-- RF_NET -->\n<!-- /RF_NET -->\n<!-- /ANOTHER -->\n"
    assert fill(text, RF_NET="x").replace("x\n", "") == text


def test_markers_in_code_are_text():
    text = "`<!-- RF_NET -->`\n```\n<!-- RF_NET -->\n```\n~~~~\n<!-- /RF_NET -->\n~~~\n~~~~\n"
    assert find_sections(text, NAMES, "README.md") == []


def test_a_code_block_inside_a_block_belongs_to_it():
    text = "<!-- RF_NET -->\n````text\n```\n<!-- /RF_NET -->\n````\n<!-- /RF_NET -->\n"
    assert fill(text, RF_NET="x") == "<!-- RF_NET -->\nx\n<!-- /RF_NET -->\n"


def test_content_cannot_close_its_block_or_open_another():
    filled = fill("<!-- RF_NET -->\n<!-- /RF_NET -->\n", RF_NET="a <!-- /RF_NET --> <!-- CM_BASE -->")
    assert filled == "<!-- RF_NET -->\na <! -- /RF_NET --> <! -- CM_BASE -->\n<!-- /RF_NET -->\n"
    assert [section.name for section in find_sections(filled, NAMES, "")] == ["RF_NET"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "\n<!-- RF_NET -->\n",
            r"README.md:2: <!-- RF_NET --> is not closed; expected <!-- /RF_NET --> below",
        ),
        ("a\nb\n<!-- /RF_NET -->", r"README.md:3: <!-- /RF_NET --> closes nothing; expected <!-- RF_NET -->"),
        (
            "<!-- RF_NET -->\n<!-- CM_BASE -->\n<!-- /CM_BASE -->\n<!-- /RF_NET -->",
            r"README.md:2: <!-- CM_BASE --> stands inside the block of <!-- RF_NET --> \(line 1\)",
        ),
        (
            "<!-- RF_NET -->\n\n<!-- RF_NET -->\n<!-- /RF_NET -->",
            r"README.md:3: <!-- RF_NET --> stands inside the block of <!-- RF_NET --> \(line 1\)",
        ),
        (
            "<!-- RF_NET -->\r\n<!-- /CM_BASE -->\r\n",
            r"README.md:2: <!-- /CM_BASE --> stands inside the block of <!-- RF_NET -->",
        ),
        (
            "<!-- RF_NET -->\n<!-- /RF_NET -->\n<!-- RF_NET -->\n<!-- /RF_NET -->",
            r"README.md:3: <!-- RF_NET --> is there twice; expected it once, got it on line 1 too",
        ),
    ],
)
def test_a_marker_without_its_partner_a_nested_one_and_a_second_one_are_errors_with_their_line(text, message):
    with pytest.raises(UsageError, match=message):
        find_sections(text, NAMES, "README.md")


@given(
    st.text(alphabet="ab \n\r`~é\udc80"), st.text(alphabet="ab \n\r~é"), st.text(alphabet="<!->/RF_NETx`\n ")
)
def test_text_outside_the_markers_stays(before, after, content):
    text = f"{before}\n\n<!-- RF_NET -->\nold\n<!-- /RF_NET -->\n{after}"
    try:
        sections = find_sections(text, NAMES, "README.md")
    except UsageError:
        return
    filled = fill(text, RF_NET=content)
    if not sections:
        assert filled == text
        return
    assert filled.startswith(f"{before}\n\n<!-- RF_NET -->\n")
    assert filled.endswith(f"\n<!-- /RF_NET -->\n{after}")
