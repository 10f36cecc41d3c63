"""What counts: lateness by numbers that are drawn, and mistakes in plain words."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.tables import validate
from harness.settings.policy_and_deadlines import Late, Policy, lateness

DUE = datetime(2026, 12, 1, 22, 59, tzinfo=UTC)
INSTANTS = st.timedeltas(timedelta(days=-400), timedelta(days=400)).map(DUE.__add__)
PERCENT = st.floats(0.5, 100)
POLICIES = st.builds(
    Policy,
    due=st.just(DUE),
    grace_minutes=st.integers(0, 5000),
    late=st.none() | st.builds(Late, per_day_percent=PERCENT, at_most_percent=PERCENT),
)
POINTS = st.integers(0, 1000)
TEN_A_DAY = Policy(due=DUE, grace_minutes=15, late=Late(per_day_percent=10, at_most_percent=50))


@given(POLICIES, INSTANTS, POINTS)
def test_lateness_takes_something_off_and_never_adds(policy, when, points):
    assert 0 <= lateness(policy, when).left_of(points) <= points


@given(POLICIES, INSTANTS, INSTANTS, POINTS)
def test_who_is_later_never_keeps_more(policy, one, other, points):
    earlier, later = sorted((one, other))
    assert lateness(policy, later).left_of(points) <= lateness(policy, earlier).left_of(points)


@given(POLICIES, INSTANTS, POINTS, POINTS)
def test_who_has_more_points_keeps_at_least_as_many(policy, when, one, other):
    late = lateness(policy, when)
    assert late.left_of(min(one, other)) <= late.left_of(max(one, other))


@given(POLICIES, INSTANTS, st.timedeltas(timedelta(), timedelta(days=30)))
def test_an_extension_is_as_if_it_were_due_then(policy, when, longer):
    extended = lateness(policy, when, DUE + longer)
    moved = lateness(policy.model_copy(update={"due": DUE + longer}), when)
    assert (extended.days, extended.percent) == (moved.days, moved.percent)


@given(POLICIES, INSTANTS, st.timedeltas(timedelta(), timedelta(days=30)))
def test_an_extension_never_makes_it_due_sooner(policy, when, sooner):
    assert lateness(policy, when, DUE - sooner).days == lateness(policy, when).days


@given(st.timedeltas(timedelta(days=-30), timedelta()), POINTS)
def test_in_time_costs_nothing(early, points):
    assert lateness(TEN_A_DAY, DUE + early).left_of(points) == points


@pytest.mark.parametrize(
    ("late_by", "days", "percent", "of_85"),
    [
        (timedelta(minutes=15), 0, 0, 85),
        (timedelta(minutes=15, seconds=1), 1, 10, 77),  # 76.5
        (timedelta(days=1), 1, 10, 77),
        (timedelta(days=1, seconds=1), 2, 20, 68),
        (timedelta(days=40), 40, 50, 43),  # 42.5
    ],
)
def test_every_day_that_has_begun_costs_its_share_up_to_the_most(late_by, days, percent, of_85):
    late = lateness(TEN_A_DAY, DUE + late_by)
    assert (late.days, late.percent, late.left_of(85)) == (days, percent, of_85)
    assert late.is_late == (days > 0)


def test_the_reason_says_when_it_was_due_how_late_it_is_and_what_that_costs():
    assert lateness(TEN_A_DAY, DUE).reason == "due 2026-12-01 22:59 UTC; in time"
    within = lateness(TEN_A_DAY, DUE + timedelta(minutes=3)).reason
    assert within == "due 2026-12-01 22:59 UTC; in time, within the grace"
    late = lateness(TEN_A_DAY, DUE + timedelta(days=3), DUE + timedelta(days=1)).reason
    assert late == "due 2026-12-02 22:59 UTC (extended); 2 days late, begun ones counted: 20 % off"
    free = lateness(Policy(due=DUE), DUE + timedelta(hours=1)).reason
    assert free == "due 2026-12-01 22:59 UTC; 1 day late, begun ones counted"


def test_without_an_instant_it_is_in_time_and_that_is_said():
    late = lateness(TEN_A_DAY, None)
    assert (late.percent, late.is_late) == (0, False)
    assert "when it was handed in is not known: taken as in time" in late.reason
    assert lateness(Policy(), DUE).reason == ""


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"due": "2026-12-01"}, "policy.due: expected an instant with its time zone, such as"),
        ({"due": "2026-12-01 23:59:00"}, "policy.due: expected an instant with its time zone, such as"),
        ({"due": "soon"}, "got 'soon'"),
        ({"grace_minutes": 5}, "grace_minutes: needs an instant to count from; add due = 2026-12-01T"),
        ({"late": {"per_day_percent": 10}}, "late: needs an instant to count from; add due"),
        ({"counts": "last before due"}, 'counts = "last before due": needs an instant'),
        ({"variants": "each"}, "policy.variants: expected 'any', 'all' or 'best', got 'each'"),
        ({"rules_onyl": True}, "policy.rules_onyl: unknown key. Did you mean 'rules_only'?"),
        ({"due": "2026-12-01T23:59:00+01:00", "late": {"per_day_percent": 120}}, "expected at most 100"),
    ],
)
def test_a_mistake_is_said_with_what_to_write(table, message):
    with pytest.raises(Exception, match="policy") as raised:
        validate(Policy, table, "a.toml", "policy")
    assert message in str(raised.value)


def test_what_counts_is_said_in_sentences():
    assert Policy().in_words == ()
    assert TEN_A_DAY.model_copy(update={"rules_only": True}).in_words == (
        "The rules alone are the grade; nothing is trained.",
        "Due 2026-12-01 22:59 UTC, with 15 minutes of grace.",
        "Late: 10 % of the points off for each day that has begun, 50 % at most.",
    )


def test_what_its_platform_marks_as_late_without_an_instant_is_a_day_late():
    late = lateness(TEN_A_DAY, None, marked_late=True)
    assert (late.days, late.percent) == (1, 10)
    said = "late by the mark of its platform, which does not say when: 1 day counted: 10 % off"
    assert said in late.reason
    assert not lateness(TEN_A_DAY, None, DUE + timedelta(days=1), marked_late=True).is_late
    assert not lateness(TEN_A_DAY, DUE, marked_late=True).is_late
