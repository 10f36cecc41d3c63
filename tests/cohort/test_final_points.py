"""Which number stands: after lateness, final or not, and which of several submissions counts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.assignment.spec import AssignmentSpec, parse_assignment
from harness.cohort.final_points import counting, standing

DUE = datetime(2026, 5, 4, 22, 0, tzinfo=UTC)
LATE = {"due": DUE.isoformat(), "late": {"per_day_percent": 10, "at_most_percent": 50}}


@pytest.fixture
def with_policy(assignment):
    def made(**policy) -> AssignmentSpec:
        return parse_assignment(assignment.model_dump(mode="json", by_alias=True) | {"policy": policy})

    return made


def unread(row, cause="student"):
    """Take what was judged out of a row."""
    variant = row.record.variants["basic"]
    blamed = tuple(
        finding.model_copy(update={"status": "not_judged", "points": None, "cause": cause})
        for finding in variant.findings
    )
    blank = variant.model_copy(update={"findings": blamed, "verdict": "not_judged", "points": 0})
    changes = {"variants": {"basic": blank}, "verdict": "not_judged", "points": 0}
    return replace(row, record=row.record.model_copy(update=changes))


def test_what_is_judged_in_full_is_final_and_says_nothing_more(row, with_policy):
    one = standing(row("ada"), with_policy())
    assert (one.points, one.before, one.max_points, one.open_points) == (100, 100, 100, 0)
    assert (one.is_final, one.reason, one.sentences) == (True, "", ())


def test_what_passed_and_is_not_trained_is_open_unless_the_rules_alone_are_the_grade(row, with_policy):
    one = standing(row("ada", None), with_policy())
    assert (one.points, one.open_points, one.is_final) == (75, 25, False)
    assert (one.reason, one.in_words) == ("25 points are open: not trained", "75 of 100 points, 25 open")
    alone = standing(row("ada", None), with_policy(rules_only=True))
    assert (alone.points, alone.max_points, alone.is_final) == (75, 75, True)


def test_what_failed_is_final_although_nobody_trains_it_any_more(row, with_policy):
    one = standing(row("ada", None, failed=("no_max_pool",)), with_policy())
    assert (one.points, one.max_points, one.is_final) == (50, 100, True)
    assert one.reason == "25 points are open and not given: a rule has failed"
    assert one.in_words == "50 of 100 points"


def test_what_failed_and_waits_for_its_training_is_not_final(row, with_policy):
    one = standing(row("ada", None, failed=("no_max_pool",), state="waiting"), with_policy())
    assert (one.is_final, one.reason) == (False, "25 points are open: it is still to be graded")


def test_what_cannot_be_read_is_left_out_or_a_zero_as_the_teacher_says(row, with_policy):
    left_out = standing(unread(row("ada", None)), with_policy())
    assert (left_out.points, left_out.is_final) == (None, False)
    assert left_out.in_words == "all 100 points open"
    assert left_out.reason.endswith("such work is left out")
    zero = standing(unread(row("ada", None)), with_policy(unreadable="zero"))
    assert (zero.points, zero.is_final) == (0, True)
    assert zero.reason.endswith("counts as zero")


@pytest.mark.parametrize("cause", ["resource", "infrastructure", "harness"])
def test_what_is_not_the_student_s_fault_is_never_a_zero(row, with_policy, cause):
    failed = replace(unread(row("ada", None), cause), state="failed")
    one = standing(failed, with_policy(unreadable="zero"))
    assert (one.points, one.is_final) == (None, False)
    assert one.reason == f"100 points are open: not judged, cause: {cause}"


def test_what_nobody_has_graded_has_no_points(row, with_policy):
    one = standing(row("ada", state="waiting", record=None), with_policy())
    assert (one.points, one.before, one.open_points, one.reason) == (None, None, 100, "not graded yet")


def test_lateness_takes_its_share_and_the_points_before_stay(row, with_policy):
    one = standing(row("ada", submitted_at=DUE + timedelta(hours=25)), with_policy(**LATE))
    assert (one.points, one.before, one.is_final) == (80, 100, True)
    assert one.sentences == (
        "In the class: 80 of 100 points (100 before lateness).",
        "Due 2026-05-04 22:00 UTC; 2 days late, begun ones counted: 20 % off.",
    )


def test_an_extension_moves_what_is_due_for_one_student(row, with_policy):
    late = row("ada", submitted_at=DUE + timedelta(hours=25), until=DUE + timedelta(days=2))
    assert standing(late, with_policy(**LATE)).points == 100


def test_the_last_one_counts_if_nothing_else_is_said(row, with_policy):
    first, last = row("ada", 0.9), row("ada", None, failed=("no_max_pool",))
    assert counting([first, last], with_policy()) is last


def test_the_best_one_counts_after_lateness(row, with_policy):
    spec = with_policy(counts="best", **LATE)
    first = row("ada", None, failed=("no_max_pool",), submitted_at=DUE)
    late = row("ada", submitted_at=DUE + timedelta(days=3))  # 70 of 100
    worse = row("ada", None, failed=("no_max_pool", "downsampling"), submitted_at=DUE)
    assert counting([first, worse, late], spec) is late
    too_late = replace(late, submitted_at=DUE + timedelta(days=9))  # 50 of 100, as the first one
    assert counting([first, too_late, worse], spec) is first


def test_the_best_one_is_not_final_while_another_may_become_better(row, with_policy):
    spec = with_policy(counts="best")
    judged, waiting = row("ada", 0.8), row("ada", None, state="waiting", record=None)
    found = counting([judged, waiting], spec)
    assert (found.record, standing(found, spec).is_final) == (judged.record, False)
    assert standing(found, spec).reason == "1 other submissions are not judged yet, and may be better"
    assert counting([judged, unread(row("ada", None))], spec) is judged
    assert counting([row("ada"), waiting], spec).waits_for == ""


def test_the_last_one_in_time_counts_where_it_is_asked_for(row, with_policy):
    spec = with_policy(counts="last before due", **LATE)
    early, in_time = row("ada", submitted_at=DUE - timedelta(days=1)), row("ada", submitted_at=DUE)
    late = row("ada", submitted_at=DUE + timedelta(hours=1))
    assert counting([early, in_time, late], spec) is in_time
    assert standing(counting([late], spec), spec).points == 90


def test_without_a_price_late_work_does_not_count_where_the_last_one_in_time_does(row, with_policy):
    spec = with_policy(counts="last before due", due=DUE.isoformat())
    one = standing(counting([row("ada", submitted_at=DUE + timedelta(hours=1))], spec), spec)
    assert (one.is_final, one.reason) == (False, "handed in after it was due, which does not count")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["last", "best", "last before due"]),
    st.lists(st.tuples(st.sampled_from([0.9, 0.8, None]), st.integers(-50, 200)), min_size=1, max_size=4),
    st.integers(0, 100),
)
def test_an_extension_for_all_is_as_if_it_were_due_then(row, with_policy, counts, handed_in, longer):
    rows = [row("ada", accuracy, submitted_at=DUE + timedelta(hours=h)) for accuracy, h in sorted(
        handed_in, key=lambda pair: pair[1]
    )]  # fmt: skip
    later = DUE + timedelta(hours=longer)
    usual = with_policy(counts=counts, **LATE)
    moved = with_policy(counts=counts, **(LATE | {"due": later.isoformat()}))
    extended = counting([replace(one, until=later) for one in rows], usual)
    there = counting(rows, moved)
    assert (extended.submitted_at, extended.record) == (there.submitted_at, there.record)
    one, other = standing(extended, usual), standing(there, moved)
    assert (one.points, one.is_final, one.late.days) == (other.points, other.is_final, other.late.days)
    assert one.points is None or 0 <= one.points <= one.before <= one.max_points
