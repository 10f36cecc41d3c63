"""Claims: who is at what, on either kind of store."""

import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from checkout import REPOSITORY

from harness.base.errors import HarnessError
from harness.cohort.store import leases
from harness.cohort.store.leases import (
    Outcome,
    claim,
    dead_letter,
    finish,
    is_dead,
    release,
    release_dead,
    renew,
    shown,
)
from harness.cohort.store.queries import counts, rows
from harness.cohort.store.repository import enter, enter_config

OVER = -1.0
"""Seconds of a lease that has ended when it is given."""
STUDENTS = [f"student {number}" for number in range(12)]


@pytest.fixture
def run_key(store, config, handed_in):
    """Hand twelve submissions in; gives what their works have in common."""
    enter_config(store, config)
    for number, student in enumerate(STUDENTS):
        enter(store, handed_in(student, sources_sha256=f"{number:064}"), config)
    return config.run_key


def test_what_one_has_claimed_no_other_gets(opened, run_key):
    one = claim(opened(), run_key, "rules", 7, "one", 60)
    other = claim(opened(), run_key, "rules", 7, "other", 60)
    third = claim(opened(), run_key, "rules", 7, "third", 60)
    assert (len(one), len(other), third) == (7, 5, [])
    assert len({task.key for task in one + other}) == 12


def test_graders_that_claim_at_the_same_time_share_the_tasks_and_get_none_twice(opened, run_key):
    def take_all(owner: str) -> list[str]:
        store, taken = opened(), []
        while tasks := claim(store, run_key, "rules", 2, owner, 60):
            taken += [task.key for task in tasks]
        return taken

    with ThreadPoolExecutor(4) as graders:
        taken = Counter(key for keys in graders.map(take_all, ["a", "b", "c", "d"]) for key in keys)
    assert len(taken) == 12
    assert set(taken.values()) == {1}


def test_a_lease_that_is_not_renewed_expires_and_the_task_is_another_s(store, run_key):
    (task,) = claim(store, run_key, "rules", 1, "one", OVER)
    claimed = {taken.key: taken for taken in claim(store, run_key, "rules", 12, "other", 60)}
    assert (len(claimed), claimed[task.key].attempts) == (12, 1)


def test_a_lease_that_is_renewed_does_not_expire(store, run_key):
    claim(store, run_key, "rules", 12, "one", OVER)
    renew(store, "one", 60)
    assert claim(store, run_key, "rules", 12, "other", 60) == []


def test_a_grade_is_entered_once_by_whoever_has_the_lease(store, run_key, record):
    (lost,) = claim(store, run_key, "rules", 1, "one", OVER)
    taken = {task.key: task for task in claim(store, run_key, "rules", 12, "other", 60)}
    outcome = Outcome(record(), "f" * 64, 1.5)
    assert finish(store, lost, "one", outcome) is False
    assert finish(store, taken[lost.key], "other", outcome) is True
    assert finish(store, taken[lost.key], "other", outcome) is False
    (entry,) = [entry for row in rows(store) for entry in row.history]
    assert (entry.worker, entry.seconds, entry.verdict, entry.stage) == ("other", 1.5, "passed", "rules")


def test_a_task_of_a_stage_without_a_grade_cannot_be_finished(store, run_key, record):
    (task,) = claim(store, run_key, "rules", 1, "one", 60)
    with pytest.raises(HarnessError, match="expected stage rules or training, got judged"):
        finish(store, replace(task, stage="judged"), "one", Outcome(record(), "f" * 64, 1.0))


def test_what_is_given_back_can_be_claimed_again(store, run_key):
    claim(store, run_key, "rules", 5, "one", 60)
    assert release(store, "one", died=False) == 5
    assert [task.attempts for task in claim(store, run_key, "rules", 12, "other", 60)] == [0] * 12


def test_what_graders_died_at_comes_last_and_then_alone(store, run_key):
    (task,) = claim(store, run_key, "rules", 1, "dies", 60)
    release(store, "dies", died=True)
    others = claim(store, run_key, "rules", 12, "also dies", 60)
    assert (others[-1].key, others[-1].attempts) == (task.key, 1)
    release(store, "also dies", died=True)
    assert leases.SUSPECT == 2
    assert [one.attempts for one in claim(store, run_key, "rules", 12, "next", 60)] == [1] * 11
    assert [one.attempts for one in claim(store, run_key, "rules", 12, "next", 60)] == [2]


def test_a_task_at_which_too_many_graders_died_is_given_up_and_says_so(store, config, handed_in):
    enter_config(store, config)
    key = enter(store, handed_in(), config)
    for _ in range(leases.MOST_ATTEMPTS):
        assert dead_letter(store, config.run_key, "five graders died at it") == 0
        assert len(claim(store, config.run_key, "rules", 12, "dies", 60)) == 1
        release(store, "dies", died=True)
    assert claim(store, config.run_key, "rules", 12, "last", 60) == []
    assert dead_letter(store, config.run_key, "five graders died at it") == 1
    (row,) = rows(store)
    assert (row.key, row.state, row.problem, row.cause) == (
        key,
        "failed",
        "five graders died at it",
        "harness",
    )
    assert counts(store, config.run_key).verdicts == {"dead": 1}


def test_a_grader_of_this_machine_that_is_gone_gives_back_at_once(store, run_key):
    script = "from harness.cohort.store.leases import this_process; print(this_process())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=REPOSITORY)
    gone, here = done.stdout.strip(), leases.this_process()
    claim(store, run_key, "rules", 3, gone, 60)
    claim(store, run_key, "rules", 2, here, 60)
    claim(store, run_key, "rules", 2, "x@elsewhere:1/other.1/0", 60)
    assert (is_dead(gone), is_dead(here), is_dead("x@elsewhere:1/other.1/0")) == (True, False, False)
    assert release_dead(store) == 3
    assert shown(here).endswith(f":{os.getpid()}")
