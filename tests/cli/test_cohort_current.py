"""Which assignment a command of a class uses, and that no final grade changes without a word."""

import pytest

from harness.assignment.points import grade_variant, named
from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.base.errors import UsageError
from harness.cli.cohort_current import assignment_for, every_submission, show_changes
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.models import Row
from harness.cohort.store.repository import enter_config
from harness.cohort.store.store import opened_store
from harness.record.facts import Facts
from harness.record.findings import Finding
from harness.record.record import Record, VariantRecord


@pytest.fixture
def other(tmp_path):
    path = tmp_path / "other.toml"
    path.write_text(DEFAULT_ASSIGNMENT.read_text().replace("below = 200_000", "below = 50_000"))
    return path


@pytest.fixture
def graded_by_other(tmp_path, other) -> str:
    path = str(tmp_path / "cohort.db")
    with opened_store(path) as store:
        enter_config(store, GradingConfig(load_assignment(other), seed=1))
    return path


def test_a_new_store_takes_the_assignment_that_is_named_or_the_shipped_one(tmp_path, other):
    nowhere = str(tmp_path / "new.db")
    assert assignment_for(None, nowhere, None).id == "cifar10-compact-cnn"
    assert assignment_for(other, nowhere, None) == load_assignment(other)


def test_without_a_name_the_store_s_own_is_used(graded_by_other, other):
    assert assignment_for(None, graded_by_other, None) == load_assignment(other)
    assert assignment_for(other, graded_by_other, None) == load_assignment(other)


def test_another_one_is_refused_with_the_command_that_switches(graded_by_other, other):
    with pytest.raises(UsageError) as raised:
        assignment_for(DEFAULT_ASSIGNMENT, graded_by_other, None)
    assert f"is graded by assignment {named(load_assignment(other))}; expected that one" in str(raised.value)
    switch = f"harness cohort regrade --assignment {DEFAULT_ASSIGNMENT} --store {graded_by_other}"
    assert f"To switch: {switch} shows whose grade changes" in str(raised.value)


def test_a_store_without_submissions_has_none(tmp_path, graded_by_other):
    for path in (str(tmp_path / "empty.db"), graded_by_other):
        with opened_store(path) as store:
            assert every_submission(store) == []


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
