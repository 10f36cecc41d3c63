"""Why a submission has its verdict, in ten lines: rule, expected, got, what to do, the scorecard."""

from pathlib import Path

import pytest

from harness.cohort.rows import Row
from harness.commands.cohort_answers import LINES, answer
from harness.record import Facts, Finding, Problem, Record, VariantRecord, combined


def finding(rule: str, status: str = "failed") -> Finding:
    return Finding(
        rule=rule,
        status=status,
        cause="resource" if status == "not_judged" else None,
        expected=f"what {rule} asks",
        actual=f"what {rule}\nfound",
        help=f"Mend {rule}.\nThen grade again.",
        points=None if status == "not_judged" else 0,
        max_points=10,
    )


def row(*findings: Finding, **changes: object) -> Row:
    verdict = combined(one.status for one in findings)
    variant = VariantRecord(
        title="", class_name="Net", full=False, verdict=verdict, points=0, max_points=100, findings=findings,
        facts=Facts(),
    ).model_copy(update=changes)  # fmt: skip
    record = Record(
        assignment="a", assignment_title="", assignment_sha256="", submission_sha256="", verdict=verdict,
        points=0, max_points=100, variants={"basic": variant},
    )  # fmt: skip
    return Row("ada", "ada.zip", None, "graded", stage="rules", record=record, folder=Path("/files/ab"))


def test_a_failed_rule_is_told_with_what_was_expected_what_was_found_and_what_to_do():
    assert answer(row(finding("dilation"), finding("head", "passed")), ["bob", "cyd"]) == (
        "ada: ada.zip: failed",
        "0 of 100 points (by the rules alone)",
        "basic: dilation: expected what dilation asks, got what dilation found (0 of 10 points)",
        "  to do: Mend dilation. Then grade again.",
        "the same files, byte for byte, as bob, cyd",
        "scorecard: /files/ab/scorecard.html",
    )


@pytest.mark.parametrize("same", [(), ("bob",), tuple(f"student {i}" for i in range(99))])
def test_ten_lines_are_enough_whatever_failed_and_the_rest_is_counted(same):
    open_rules = [finding(f"open_{i}", "not_judged") for i in range(5)]
    lines = answer(row(*open_rules, *(finding(f"rule_{i}") for i in range(7))), same)
    assert len(lines) <= LINES
    assert "rule_0" in lines[2]
    shown = sum(line.startswith("basic: rule_") for line in lines)
    assert f"and {12 - shown} more: see the scorecard" in lines
    assert lines[-1] == "scorecard: /files/ab/scorecard.html"


def test_a_rule_that_is_open_takes_no_points():
    (_, _, reason, told, *_) = answer(row(finding("dilation", "not_judged")))
    assert reason == "dilation: what dilation found"
    assert told.endswith("got what dilation found (not judged, 10 points open)")


def test_of_what_could_not_be_taken_in_the_reason_is_told_and_not_rule_by_rule():
    problem = Problem(cause="student", message="model.py:3: NameError\nmore", traceback="t")
    lines = answer(row(finding("dilation", "not_judged"), problem=problem))
    assert lines[2:] == ("model.py:3: NameError", "scorecard: /files/ab/scorecard.html")
