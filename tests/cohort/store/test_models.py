"""What a row says of a student."""

import pytest

from harness.cohort.store.models import Row, cause_of
from harness.record.facts import Facts
from harness.record.findings import Finding
from harness.record.record import Record, VariantRecord


def record(*causes: str | None) -> Record:
    findings = tuple(
        Finding(
            rule="dilation", status="not_judged" if cause else "passed", cause=cause, expected="", actual=""
        )
        for cause in causes
    )
    variant = VariantRecord(
        title="", class_name="Net", full=False, verdict="not_judged", points=0, max_points=0,
        findings=findings, facts=Facts(),
    )  # fmt: skip
    return Record(
        assignment="a", assignment_title="", assignment_sha256="", submission_sha256="", verdict="not_judged",
        points=0, max_points=0, variants={"basic": variant},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("causes", "cause"),
    [
        ((None,), None),
        (("student",), "student"),
        (("student", "resource"), "resource"),
        (("infrastructure", "student", None), "infrastructure"),
        (("resource", "harness"), "harness"),
    ],
)
def test_the_cause_of_a_record_is_the_one_furthest_from_the_student(causes, cause):
    assert cause_of(record(*causes)) == cause


def test_a_row_without_a_record_that_failed_is_the_harness_s_fault():
    assert Row("ada", "ada.zip", None, "failed", problem="the grader died").cause == "harness"
    assert Row("ada", "ada.zip", None, "waiting").cause is None


def test_what_was_given_up_in_training_is_the_harness_s_fault_although_the_rules_passed():
    assert Row("ada", "ada.zip", None, "failed", record=record(None)).cause == "harness"
