"""The page of a rule is cut from the document, whole."""

import os
import subprocess
import sys

import pytest
from checkout import REPOSITORY

from harness.base.errors import HarnessError
from harness.rules.explain import MARKS, overview, page
from harness.rules.registry import RULES


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_page(rule):
    text = page(rule)
    assert text.startswith(f"# `{rule}`\n")
    assert text.removesuffix(MARKS) == (REPOSITORY / "harness" / "rules" / f"{rule}.md").read_text()


def test_the_overview_has_one_line_for_every_rule():
    lines = overview().splitlines()
    assert [line.split("`")[1] for line in lines[: len(RULES)]] == list(RULES)


def test_a_page_that_is_not_there_is_said_plainly(tmp_path):
    with pytest.raises(HarnessError, match=r"dilation\.md: cannot be read .*Install the harness again"):
        page("dilation", tmp_path)


def test_a_terminal_gets_the_page_drawn_and_a_pipe_the_markdown_itself():
    command = [sys.executable, "-m", "harness", "explain", "min_accuracy"]
    drawn, plain = (
        subprocess.run(command, env=os.environ | extra, capture_output=True, text=True, check=True).stdout
        for extra in ({"FORCE_COLOR": "1"}, {"FORCE_COLOR": "", "NO_COLOR": "1"})
    )
    assert plain == page("min_accuracy")
    assert "**Measured.**" not in drawn
    assert "Measured." in drawn
