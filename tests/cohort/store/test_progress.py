"""Versions change whenever a student's row does, and only then."""

import pytest

from harness.cohort.store.leases import Outcome, claim, finish, release, this_process
from harness.cohort.store.progress import versions
from harness.cohort.store.repository import enter, enter_config


@pytest.fixture
def changed(store):
    """Say whose marks have changed since this was asked last."""
    before = {}

    def since() -> set[str]:
        now = dict(versions(store))
        found = {student for student in now if now[student] != before.get(student)}
        before.clear()
        before.update(now)
        return found

    return since


def test_whoever_is_handed_in_claimed_graded_or_handed_in_again_has_changed(
    store, config, handed_in, record, changed
):
    enter_config(store, config)
    for student in ("ada", "bob"):
        enter(store, handed_in(student, sources_sha256=student[0] * 64), config)
    assert changed() == {"ada", "bob"}
    assert changed() == set()
    owner = this_process()
    (task,) = claim(store, config.run_key, "rules", 1, owner, 60)
    (student,) = changed()
    assert changed() == set()
    finish(store, task, owner, Outcome(record(), "f" * 64, 1.0))
    assert changed() == {student}
    (task,) = claim(store, config.run_key, "rules", 1, owner, 60)
    changed()
    release(store, owner, died=False)
    assert len(changed()) == 1
    enter(store, handed_in("ada", sources_sha256="e" * 64), config)
    assert changed() == {"ada"}


def test_a_grader_that_has_died_is_at_nothing(store, config, handed_in):
    enter_config(store, config)
    enter(store, handed_in("ada"), config)
    name, numbers, rest = this_process().split("/")
    claim(store, config.run_key, "rules", 1, f"{name.rpartition(':')[0]}:{2**22 + 1}/{numbers}/{rest}", 60)
    assert [mark.owner for mark in versions(store)["ada"]] == [""]
