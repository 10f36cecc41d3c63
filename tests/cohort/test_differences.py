"""Whose grade differs, and which submissions may count."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from harness.assignment.spec import parse_assignment
from harness.cohort.differences import differences, may_count

DUE = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
def two(row):
    """Two submissions of one student, a day apart."""
    first = row("ada", 0.9, key="first", submitted_at=DUE)
    return [first, row("ada", 0.8, key="second", submitted_at=DUE + timedelta(days=1))]


def with_policy(assignment, **policy):
    return parse_assignment(assignment.model_dump(mode="json", by_alias=True) | {"policy": policy})


def test_a_class_does_not_differ_from_itself(two, assignment):
    (one,) = differences(two, assignment, two, assignment)
    assert (one.is_one, one.was_final, one.rules) == (False, True, ())


def test_which_submission_counts_makes_a_difference(two, assignment):
    (one,) = differences(two, assignment, two, with_policy(assignment, counts="best"))
    assert (one.before, one.after) == ("failed, 75 of 100 points", "passed, 100 of 100 points")
    assert one.rules == ("basic: min_accuracy failed 0 of 25 → passed 25 of 25",)


def test_who_is_new_and_who_is_gone_are_differences(row, assignment):
    ada, bob = differences([row("ada")], assignment, [row("bob")], assignment)
    assert (ada.before, ada.after) == ("passed, 100 of 100 points", None)
    assert (bob.before, bob.after, bob.was_final) == (None, "passed, 100 of 100 points", False)


def test_lateness_is_a_difference_where_no_rule_differs(row, assignment):
    late = with_policy(assignment, due=DUE.isoformat(), late={"per_day_percent": 10})
    handed_in = [row("ada", submitted_at=DUE + timedelta(hours=3))]
    (one,) = differences(handed_in, assignment, handed_in, late)
    assert one.after == (
        "passed, 90 of 100 points (100 before lateness): due 2026-05-04 00:00 UTC; 1 day late, "
        "begun ones counted: 10 % off"
    )
    assert one.rules == ()


@pytest.mark.parametrize(
    ("counts", "keys"),
    [("last", {"second"}), ("best", {"first", "second"}), ("last before due", {"first"})],
)
def test_what_may_count_is_what_is_worth_training(two, assignment, counts, keys):
    assert may_count(two, with_policy(assignment, counts=counts, due=DUE.isoformat())) == keys


def test_an_extension_changes_what_may_count(two, assignment):
    extended = [replace(one, until=DUE + timedelta(days=2)) for one in two]
    spec = with_policy(assignment, counts="last before due", due=DUE.isoformat())
    assert may_count(extended, spec) == {"second"}
