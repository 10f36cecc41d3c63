"""Which assignment a command of a class uses, and which submissions."""

import pytest

from harness.assignment.points import named
from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.base.errors import UsageError
from harness.cli.cohort_store import assignment_for, every_submission
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.repository import enter_config
from harness.cohort.store.store import opened_store


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
