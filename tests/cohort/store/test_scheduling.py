"""Who is trained, and who is graded once more."""

import pytest

from harness.cohort.store.leases import Outcome, claim, finish
from harness.cohort.store.queries import rows
from harness.cohort.store.repository import enter, enter_config
from harness.cohort.store.scheduling import begin_anew, schedule


@pytest.fixture
def run_key(store, config, handed_in):
    """Hand five submissions in; gives what their works have in common."""
    enter_config(store, config)
    for number in range(5):
        enter(store, handed_in(f"student {number}", sources_sha256=f"{number:064}"), config)
    return config.run_key


def test_only_what_passed_the_rules_is_trained_and_the_most_promising_first(store, run_key, record):
    judged = claim(store, run_key, "rules", 4, "one", 60)
    for task, one in zip(
        judged,
        (
            record(parameters=5),
            record("failed", points=0),
            record(parameters=9),
            record("not_judged", "student"),
        ),
        strict=True,
    ):
        finish(store, task, "one", Outcome(one, "f" * 64, 1.0))
    keys = {task.key for task in judged}
    assert schedule(store, run_key, keys - {judged[0].key, judged[2].key}, failed_too=False) == 0
    assert schedule(store, run_key, keys, failed_too=False) == 2
    assert schedule(store, run_key, keys, failed_too=False) == 0
    trained = claim(store, run_key, "training", 4, "one", 60)
    assert [task.key for task in trained] == [judged[2].key, judged[0].key]
    assert schedule(store, run_key, keys, failed_too=True) == 2


def test_what_is_begun_anew_is_another_generation_and_the_history_keeps_both(store, run_key, record):
    (task,) = claim(store, run_key, "rules", 1, "one", 60)
    assert begin_anew(store, task.key, "rules") is False
    finish(store, task, "one", Outcome(record("not_judged", "infrastructure"), "f" * 64, 1.0))
    assert begin_anew(store, task.key, "rules") is True
    (again,) = [one for one in claim(store, run_key, "rules", 12, "two", 60) if one.key == task.key]
    finish(store, again, "two", Outcome(record(), "e" * 64, 1.0))
    (row,) = [row for row in rows(store) if row.key == task.key]
    assert [(entry.reason, entry.verdict) for entry in row.history] == [
        ("graded", "not_judged"),
        ("retried", "passed"),
    ]
    assert row.state == "graded"
