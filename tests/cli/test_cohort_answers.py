"""Why a submission has its verdict, in ten lines; and no final grade changes without a word."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.assignment.points import grade_variant, named
from harness.assignment.spec import parse_assignment
from harness.cli.cohort_answers import LINES, answer, show_changes
from harness.cohort.store.models import Row
from harness.record.facts import Facts
from harness.record.findings import Finding, Problem, combined
from harness.record.record import Record, VariantRecord


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


def test_a_failed_rule_is_told_with_what_was_expected_what_was_found_and_what_to_do(assignment):
    assert answer(row(finding("dilation"), finding("head", "passed")), assignment, ["bob", "cyd"]) == (
        "ada: ada.zip: failed",
        f"0 of 100 points (by the rules alone); assignment {named(assignment)}",
        "basic: dilation: expected what dilation asks, got what dilation found (0 of 10 points)",
        "  to do: Mend dilation. Then grade again.",
        "the same files, byte for byte, as bob, cyd",
        "scorecard: /files/ab/scorecard.html",
    )


@pytest.mark.parametrize("same", [(), ("bob",), tuple(f"student {i}" for i in range(99))])
def test_ten_lines_are_enough_whatever_failed_and_the_rest_is_counted(same, assignment):
    open_rules = [finding(f"open_{i}", "not_judged") for i in range(5)]
    lines = answer(row(*open_rules, *(finding(f"rule_{i}") for i in range(7))), assignment, same)
    assert len(lines) <= LINES
    assert "rule_0" in lines[2]
    shown = sum(line.startswith("basic: rule_") for line in lines)
    assert f"and {12 - shown} more: see the scorecard" in lines
    assert lines[-1] == "scorecard: /files/ab/scorecard.html"


def test_a_rule_that_is_open_takes_no_points(assignment):
    (_, _, reason, told, *_) = answer(row(finding("dilation", "not_judged")), assignment)
    assert reason == "dilation: what dilation found"
    assert told.endswith("got what dilation found (not judged, 10 points open)")


def test_of_what_could_not_be_taken_in_the_reason_is_told_and_not_rule_by_rule(assignment):
    problem = Problem(cause="student", message="model.py:3: NameError\nmore", traceback="t")
    lines = answer(row(finding("dilation", "not_judged"), problem=problem), assignment)
    assert lines[2:] == ("model.py:3: NameError", "scorecard: /files/ab/scorecard.html")


def test_what_lateness_costs_and_the_extension_are_told(assignment):
    policy = {"due": "2026-05-03T00:00:00+00:00", "late": {"per_day_percent": 10}}
    spec = parse_assignment(assignment.model_dump(mode="json", by_alias=True) | {"policy": policy})
    ada = row(finding("head", "passed").model_copy(update={"points": 100, "max_points": 100}), points=100)
    late = replace(ada, submitted_at=datetime(2026, 5, 4, 12, tzinfo=UTC))
    assert answer(late, spec)[1:3] == (
        f"80 of 100 points (100 before lateness) (by the rules alone); assignment {named(spec)}",
        "due 2026-05-03 00:00 UTC; 2 days late, begun ones counted: 20 % off",
    )
    extended = replace(late, until=datetime(2026, 5, 5, tzinfo=UTC))
    assert answer(extended, spec)[2] == "due 2026-05-05 00:00 UTC (extended); in time"


def test_who_handed_in_nothing_is_said_to_have(assignment):
    assert answer(Row("Nie Da", "", None, "missing"), assignment) == ("Nie Da: handed in nothing",)


def graded(student: str, *statuses: str) -> Row:
    """Make a row whose rules are worth 75 and 25 points; one status: not trained."""
    findings = tuple(
        Finding(
            rule=rule, status=status, expected="", actual="", points=worth if status == "passed" else 0,
            max_points=worth, measured=rule == "min_accuracy",
        )
        for (rule, worth), status in zip((("dilation", 75), ("min_accuracy", 25)), statuses, strict=False)
    )  # fmt: skip
    verdict, points, most = grade_variant(findings, 100)
    variant = VariantRecord(
        title="", class_name="Net", full=len(statuses) == 2, verdict=verdict, points=points, max_points=most,
        findings=findings, facts=Facts(),
    )  # fmt: skip
    record = Record(
        assignment="a", assignment_title="", assignment_sha256="", submission_sha256="", verdict=verdict,
        points=points, max_points=most, variants={"basic": variant},
    )  # fmt: skip
    return Row(
        student, f"{student}.zip", None, "graded", stage="full" if variant.full else "rules", record=record
    )


def test_a_final_grade_that_changes_is_said_and_progress_is_not(assignment, capsys):
    show_changes(
        [graded("ada", "passed", "passed"), graded("bob", "passed"), graded("cyd", "passed", "passed")],
        [
            graded("ada", "passed", "failed"),
            graded("bob", "passed", "passed"),
            graded("cyd", "passed", "passed"),
        ],
        assignment,
    )
    assert capsys.readouterr().err.splitlines() == [
        "1 final grades have changed:",
        "ada: passed, 100 of 100 points → failed, 75 of 100 points",
        "  basic: min_accuracy passed 25 of 25 → failed 0 of 25",
    ]
