"""One scale: whatever of a submission is judged, the most there is stays, and the rest is open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.assignment.points import (
    asks_for,
    grade_variant,
    most,
    stated,
    total,
    total_of,
    variant_in_words,
    worth,
)
from harness.assignment.spec import AssignmentSpec, parse_assignment
from harness.record.facts import Facts
from harness.record.findings import Finding
from harness.record.record import Record, VariantRecord

RULES = {"max_parameters": {"points": 30, "below": 9}, "no_max_pool": {"points": 45}}
ACCURACY = {"min_accuracy": {"points": 25, "at_least": 0.5}}
WORTH = {"max_parameters": 30, "no_max_pool": 45, "min_accuracy": 25}


def an_assignment(**policy) -> AssignmentSpec:
    return parse_assignment(
        {
            "schema_version": 2,
            "id": "a",
            "title": "A",
            "data": {"dataset": "mnist"},
            "recipe": {"epochs": 1, "batch_size": 8, "lr": 0.1},
            "rules": RULES | ACCURACY,
            "variants": {name: {"title": name} for name in ("one", "two", "three")},
            "policy": policy,
        }
    )


def a_variant(spec: AssignmentSpec, **statuses: str) -> VariantRecord:
    findings = tuple(
        Finding(
            rule=rule, status=status, expected="", actual="", max_points=WORTH[rule],
            points={"passed": WORTH[rule], "failed": 0, "not_judged": None}[status],
        )
        for rule, status in statuses.items()
    )  # fmt: skip
    verdict, points, max_points = grade_variant(findings, worth(spec, "one"))
    return VariantRecord(
        title="", class_name="Net", full="min_accuracy" in statuses, verdict=verdict, points=points,
        max_points=max_points, findings=findings, facts=Facts(),
    )  # fmt: skip


RULES_HOLD = {"max_parameters": "passed", "no_max_pool": "passed"}
PERFECT = RULES_HOLD | {"min_accuracy": "passed"}
STATUSES = st.sampled_from(["passed", "failed", "not_judged"])
JUDGED = st.fixed_dictionaries(
    {"max_parameters": STATUSES, "no_max_pool": STATUSES}, optional={"min_accuracy": STATUSES}
)
HANDED_IN = st.dictionaries(st.sampled_from(["one", "two", "three"]), JUDGED)
ASKED = st.sampled_from(["any", "all", "best"])


@given(ASKED, HANDED_IN)
def test_points_and_what_is_open_are_never_more_than_there_is_and_that_never_changes(asked, handed_in):
    spec = an_assignment(variants=asked)
    found = total(spec, {name: a_variant(spec, **judged) for name, judged in handed_in.items()})
    assert found.max_points == most(spec) == (300 if asked == "all" else 100)
    assert 0 <= found.points <= found.points + found.open_points <= found.max_points


@given(ASKED, HANDED_IN)
def test_the_total_is_that_of_the_variants_it_names(asked, handed_in):
    spec = an_assignment(variants=asked)
    variants = {name: a_variant(spec, **judged) for name, judged in handed_in.items()}
    found = total(spec, variants)
    assert found.points == sum(variants[name].points for name in found.counted)


@given(ASKED, HANDED_IN.filter(bool), st.data())
def test_one_more_failed_rule_never_gives_more(asked, handed_in, data):
    spec = an_assignment(variants=asked)
    name = data.draw(st.sampled_from(sorted(handed_in)))
    worse = handed_in | {name: dict.fromkeys(handed_in[name], "failed")}
    before, after = (
        total(spec, {key: a_variant(spec, **judged) for key, judged in one.items()})
        for one in (handed_in, worse)
    )
    assert after.points + after.open_points <= before.points + before.open_points


def test_what_is_not_judged_yet_is_open_and_never_a_zero():
    spec = an_assignment()
    variant = a_variant(spec, **RULES_HOLD)
    assert total(spec, {"one": variant}).in_words == "75 of 100 points, 25 open"
    assert variant_in_words(variant) == "75 of 100 points, 25 open"
    unread = a_variant(spec, max_parameters="not_judged", no_max_pool="not_judged")
    assert total(spec, {"one": unread}).in_words == "0 of 100 points, 100 open"
    assert total(spec, {"one": a_variant(spec, **PERFECT)}).in_words == "100 of 100 points"


def test_of_any_several_the_one_that_loses_most_counts_and_all_have_to_hold():
    spec = an_assignment()
    good = a_variant(spec, **PERFECT)
    bad = a_variant(spec, **RULES_HOLD | {"no_max_pool": "failed"})
    found = total(spec, {"one": good, "two": bad})
    assert (found.verdict, found.in_words, found.counted) == ("failed", "30 of 100 points, 25 open", ("two",))
    untrained = a_variant(spec, **RULES_HOLD)
    found = total(spec, {"two": untrained, "one": good})
    assert (found.verdict, found.in_words, found.counted) == ("passed", "100 of 100 points", ("one",))


def test_of_any_several_one_that_cannot_be_read_leaves_the_total_open():
    spec = an_assignment()
    unread = a_variant(spec, max_parameters="not_judged", no_max_pool="not_judged")
    found = total(spec, {"one": a_variant(spec, **PERFECT), "two": unread})
    assert (found.verdict, found.in_words) == ("not_judged", "0 of 100 points, 100 open")


def test_all_are_added_up_and_what_was_not_looked_at_is_open():
    spec = an_assignment(variants="all")
    found = total(spec, {"one": a_variant(spec, **PERFECT), "two": a_variant(spec, **RULES_HOLD)})
    assert found.in_words == "175 of 300 points, 125 open"


def test_the_best_one_gives_verdict_and_points():
    spec = an_assignment(variants="best")
    bad = a_variant(spec, **RULES_HOLD | {"no_max_pool": "failed"})
    found = total(spec, {"one": bad, "three": a_variant(spec, **PERFECT)})
    assert (found.verdict, found.points, found.counted) == ("passed", 100, ("three",))


def test_where_the_rules_alone_are_the_grade_a_training_is_worth_nothing():
    spec = an_assignment(rules_only=True)
    assert (worth(spec, "one"), most(spec)) == (75, 75)
    assert total(spec, {"one": a_variant(spec, **RULES_HOLD)}).in_words == "75 of 75 points"


def a_record(spec: AssignmentSpec, **variants: VariantRecord) -> Record:
    scored = total(spec, variants)
    return Record(
        assignment=spec.id, assignment_title=spec.title, assignment_sha256="", submission_sha256="",
        verdict=scored.verdict, points=scored.points, max_points=scored.max_points, variants=variants,
        provenance={"assignment": spec.model_dump(mode="json")},
    )  # fmt: skip


def test_one_that_cannot_be_read_is_never_the_best_unless_it_is_alone():
    spec = an_assignment(variants="best")
    bad = a_variant(spec, **PERFECT | {"max_parameters": "failed"})
    blank = a_variant(spec, max_parameters="not_judged", no_max_pool="not_judged")
    blamed = tuple(finding.model_copy(update={"cause": "student"}) for finding in blank.findings)
    unread = blank.model_copy(update={"findings": blamed})
    assert total(spec, {"one": unread, "two": bad}).in_words == "70 of 100 points"
    assert total(spec, {"one": unread}).in_words == "0 of 100 points, 100 open"


@given(ASKED, HANDED_IN)
def test_a_record_says_the_same_without_its_assignment_at_hand(asked, handed_in):
    spec = an_assignment(variants=asked)
    variants = {name: a_variant(spec, **judged) for name, judged in handed_in.items()}
    record = a_record(spec, **variants)
    assert asks_for(record) == asked
    assert total_of(record) == total(spec, variants)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("any", "Any one of the variants one, two and three is asked for."),
        ("all", "All of the variants one, two and three are asked for"),
        ("best", "Of the variants one, two and three, the best one that is handed in counts."),
    ],
)
def test_a_record_says_which_variants_count(asked, said):
    (sentence,) = stated(a_record(an_assignment(variants=asked)))
    assert sentence.startswith(said)


def test_a_record_says_when_it_was_due_and_nothing_where_nothing_is_to_be_said():
    spec = an_assignment(due="2026-12-01T23:59:00+01:00")
    assert stated(a_record(spec))[1:] == ("Due 2026-12-01 23:59 UTC+01:00.",)
    assert stated(a_record(spec).model_copy(update={"provenance": {}})) == ()
