"""One assignment counts in a store: which, that no other is used, and how an older store comes to it."""

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from harness.assignment.points import named
from harness.base.errors import UsageError
from harness.cohort.store.current_assignment import current_assignment, require_current, switch_to
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.repository import current_config, current_spec, enter, enter_config
from harness.cohort.store.schema import Base
from harness.cohort.store.store import MIGRATIONS, open_store

FIRST = {"assignment", "scope", "submission", "work", "link", "grade"}
"""Tables of the oldest stores."""


@pytest.fixture
def other(assignment):
    return GradingConfig(assignment.model_copy(update={"title": "another rubric"}), seed=1)


def test_the_first_assignment_counts_until_it_is_switched(store, config, other):
    assert current_spec(store) is None
    enter_config(store, config)
    enter_config(store, other)
    assert current_assignment(store) == config.assignment_sha256
    switch_to(store, other.assignment_sha256)
    assert (current_assignment(store), current_spec(store)) == (other.assignment_sha256, other.assignment)


def test_what_is_entered_under_another_assignment_does_not_make_it_count(store, config, other, handed_in):
    enter_config(store, config)
    enter(store, handed_in(), config)
    enter_config(store, other)
    enter(store, handed_in("bob"), other)
    assert current_config(store) == config


def test_another_assignment_is_refused_with_what_to_do(store, config, other):
    require_current(store, other.assignment)  # nothing was entered yet
    enter_config(store, config)
    require_current(store, config.assignment)
    with pytest.raises(UsageError) as raised:
        require_current(store, other.assignment, "--assignment b.toml")
    said = str(raised.value)
    assert f"this store is graded by assignment {named(config.assignment)}; expected that one" in said
    assert f"got {named(other.assignment)}" in said
    assert "harness cohort regrade --assignment b.toml shows whose grade changes, and with --apply" in said


def test_in_an_older_store_what_was_graded_by_last_counts(address, tmp_path, config, other, handed_in):
    store = open_store(address, tmp_path / "files")
    for one in (config, other):
        enter_config(store, one)
        enter(store, handed_in(), one)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with store.engine.begin() as connection:
        for table in Base.metadata.tables.keys() - FIRST:
            connection.execute(text(f"DROP TABLE {table}"))
        config.attributes["connection"] = connection
        command.stamp(config, "0001")
    store.close()
    again = open_store(address, tmp_path / "files")
    assert current_assignment(again) == other.assignment_sha256
    again.close()
