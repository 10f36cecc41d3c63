"""The page of a rule is cut from the document, whole."""

import os
import subprocess
import sys

import pytest

from harness.assignment import Points
from harness.errors import HarnessError
from harness.explain import MARKS, RULES, overview, page


@pytest.mark.parametrize("rule", Points.model_fields)
def test_every_rule_has_its_page(rule):
    text = page(rule)
    assert text.startswith(f"## `{rule}`\n")
    assert text.count("\n## ") == 0
    assert text.removesuffix(MARKS).rstrip() in RULES.read_text()


def test_the_overview_has_one_line_for_every_rule():
    lines = overview().splitlines()
    assert [line.split("`")[1] for line in lines[: len(Points.model_fields)]] == list(Points.model_fields)


def test_a_document_that_is_not_there_or_lacks_the_page_is_said_plainly(tmp_path):
    document = tmp_path / "rules.md"
    with pytest.raises(HarnessError, match=r"rules\.md: cannot be read .*Run the harness from its checkout"):
        page("dilation", document)
    document.write_text("# The rules\n\n## `downsampling`\n")
    with pytest.raises(HarnessError, match="no page; expected a heading ## `dilation`"):
        page("dilation", document)


def test_a_terminal_gets_the_page_drawn_and_a_pipe_the_markdown_itself():
    command = [sys.executable, "-m", "harness", "explain", "min_accuracy"]
    drawn, plain = (
        subprocess.run(command, env=os.environ | extra, capture_output=True, text=True, check=True).stdout
        for extra in ({"FORCE_COLOR": "1"}, {"FORCE_COLOR": "", "NO_COLOR": "1"})
    )
    assert plain == page("min_accuracy")
    assert "**Measured.**" not in drawn
    assert "Measured." in drawn
