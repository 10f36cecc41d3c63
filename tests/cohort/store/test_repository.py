"""What is entered, and what is read back."""

from datetime import UTC, datetime, timedelta

import pytest

from harness.base.errors import UsageError
from harness.cohort.store.current_assignment import current_assignment, switch_to
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.leases import Outcome, claim, finish
from harness.cohort.store.one_student import row_of
from harness.cohort.store.progress import progress_of, typical_seconds
from harness.cohort.store.queries import (
    assignments,
    counts,
    rows,
)
from harness.cohort.store.repository import (
    assignment_of,
    current_config,
    enter,
    enter_assignment,
    enter_config,
    enter_regraded,
)


@pytest.fixture
def entered(store, config):
    """Give what enters a submission under the assignment."""
    enter_config(store, config)
    return lambda one: enter(store, one, config)


def test_an_assignment_is_read_back_as_it_was(store, config):
    sha256 = enter_assignment(store, config.assignment)
    assert enter_assignment(store, config.assignment) == sha256
    assert assignment_of(store, sha256) == config.assignment
    assert assignments(store) == {sha256: "cifar10-compact-cnn"}
    with pytest.raises(UsageError, match="assignment zzz: not in this store; expected one that was"):
        assignment_of(store, "zzz")


def test_the_same_submission_handed_in_twice_is_one(store, entered, handed_in):
    assert entered(handed_in()) == entered(handed_in())
    (row,) = rows(store)
    assert (row.student, row.source, row.state) == ("ada", "ada.zip", "waiting")
    assert row.submitted_at == datetime(2026, 5, 4, 22, 15, tzinfo=UTC)


def test_a_student_s_row_is_that_of_the_last_submission_whatever_was_entered_last(store, entered, handed_in):
    first = handed_in()
    later = handed_in(sources_sha256="b" * 64, submitted_at=first.submitted_at + timedelta(hours=2))
    entered(later)
    entered(first)
    (row,) = rows(store)
    assert (row.submission_sha256, row.submitted_at) == ("b" * 64, later.submitted_at)


def test_two_students_with_the_same_sources_are_graded_once_and_both_have_the_grade(
    store, config, entered, handed_in, record
):
    assert entered(handed_in("ada")) == entered(handed_in("eve"))
    (task,) = claim(store, config.run_key, "rules", 9, "one", 60)
    finish(store, task, "one", Outcome(record(), "f" * 64, 1.0))
    assert [(row.student, row.record.verdict) for row in rows(store)] == [
        ("ada", "passed"),
        ("eve", "passed"),
    ]


def test_another_seed_recipe_assignment_or_version_is_another_grade(config, assignment):
    other = assignment.model_copy(update={"title": "another"})
    keys = {
        config.key("a", "b"),
        config.key("a", "c"),
        config.key("c", "b"),
        GradingConfig(assignment, seed=2).key("a", "b"),
        GradingConfig(other, seed=1).key("a", "b"),
        GradingConfig(assignment, seed=1, preview=True).key("a", "b"),
        GradingConfig(assignment, seed=1, variants=("dilated",)).key("a", "b"),
        GradingConfig(assignment, seed=1, harness_version="9").key("a", "b"),
    }
    assert len(keys) == 8
    assert config.key("a", "b") == GradingConfig(assignment, seed=1).key("a", "b")


def test_what_is_regraded_is_the_current_grade_and_the_old_one_stays(
    store, config, entered, handed_in, record, assignment
):
    key = entered(handed_in())
    entered(handed_in("eve"))
    (task,) = claim(store, config.run_key, "rules", 9, "one", 60)
    finish(store, task, "one", Outcome(record(), "f" * 64, 1.0))
    new = GradingConfig(assignment.model_copy(update={"title": "a new rubric"}), seed=1)
    again = enter_regraded(store, key, new, "c" * 64, record("failed", points=0), "e" * 64, "me@here:1")
    assert again == enter_regraded(
        store, key, new, "c" * 64, record("failed", points=0), "e" * 64, "me@here:1"
    )
    assert current_assignment(store) == config.assignment_sha256
    switch_to(store, new.assignment_sha256)
    assert current_assignment(store) == new.assignment_sha256
    assert current_config(store) == new
    ada, eve = rows(store)
    assert (ada.record.verdict, eve.record.verdict, ada.state) == ("failed", "failed", "graded")
    assert [(entry.reason, entry.verdict, entry.submitted_at) for entry in ada.history] == [
        ("graded", "passed", ada.submitted_at),
        ("rejudged", "failed", ada.submitted_at),
    ]
    assert row_of(store, "ada", config.assignment_sha256).record.verdict == "passed"
    with pytest.raises(UsageError, match="key zzz: not in this store; expected one that was graded"):
        enter_regraded(store, "zzz", new, "", record(), "", "")


def test_counts_say_what_waits_what_runs_and_what_came_of_the_rest(store, config, entered, handed_in, record):
    for number in range(4):
        entered(handed_in(f"student {number}", sources_sha256=f"{number:064}"))
    first, second = claim(store, config.run_key, "rules", 2, "one", 60)
    finish(store, first, "one", Outcome(record("failed", points=0), "f" * 64, 3.0))
    found = counts(store, config.run_key)
    assert (found.waiting, found.running, found.verdicts) == ({"rules": 2}, {"rules": 1}, {"failed": 1})
    assert (found.left, found.graded) == (3, 1)
    assert typical_seconds(store, config.run_key) == {"rules": 3.0}
    progress = progress_of(store, config.run_key)
    assert (progress[first.key], progress[second.key]) == (("judged", "failed"), ("rules", ""))


def test_a_student_who_is_not_there_is_said_with_the_one_who_was_meant(store, entered, handed_in):
    entered(handed_in("ada lovelace"))
    with pytest.raises(UsageError, match=r"adda lovelac: not in this store. Did you mean 'ada lovelace'\?"):
        row_of(store, "adda lovelac")


def test_a_student_is_found_however_the_name_is_typed(store, entered, handed_in):
    entered(handed_in("Émile Borel"))
    assert row_of(store, "E\u0301mile\u00a0Borel").student == "Émile Borel"


def test_an_empty_store_is_said(store):
    with pytest.raises(UsageError, match=r"the store is empty; expected submissions. Grade some with"):
        rows(store)
