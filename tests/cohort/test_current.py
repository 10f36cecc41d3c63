"""One assignment counts in a store: which, that no other is used, and how an older store comes to it."""

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from harness.assignment.points import named
from harness.base.errors import UsageError
from harness.cohort.current import current_assignment, require_current, switch_to
from harness.cohort.keys import Terms
from harness.cohort.repository import current_spec, current_terms, enter, enter_terms
from harness.cohort.schema import Base
from harness.cohort.store import MIGRATIONS, open_store

FIRST = {"assignment", "scope", "submission", "work", "link", "grade"}
"""Tables of the oldest stores."""


@pytest.fixture
def other(assignment):
    return Terms(assignment.model_copy(update={"title": "another rubric"}), seed=1)


def test_the_first_assignment_counts_until_it_is_switched(store, terms, other):
    assert current_spec(store) is None
    enter_terms(store, terms)
    enter_terms(store, other)
    assert current_assignment(store) == terms.assignment_sha256
    switch_to(store, other.assignment_sha256)
    assert (current_assignment(store), current_spec(store)) == (other.assignment_sha256, other.assignment)


def test_what_is_entered_under_another_assignment_does_not_make_it_count(store, terms, other, handed_in):
    enter_terms(store, terms)
    enter(store, handed_in(), terms)
    enter_terms(store, other)
    enter(store, handed_in("bob"), other)
    assert current_terms(store) == terms


def test_another_assignment_is_refused_with_what_to_do(store, terms, other):
    require_current(store, other.assignment)  # nothing was entered yet
    enter_terms(store, terms)
    require_current(store, terms.assignment)
    with pytest.raises(UsageError) as raised:
        require_current(store, other.assignment, "--assignment b.toml")
    said = str(raised.value)
    assert f"this store is graded by assignment {named(terms.assignment)}; expected that one" in said
    assert f"got {named(other.assignment)}" in said
    assert "harness cohort rejudge --assignment b.toml shows whose grade changes, and with --apply" in said


def test_in_an_older_store_what_was_graded_by_last_counts(address, tmp_path, terms, other, handed_in):
    store = open_store(address, tmp_path / "files")
    for one in (terms, other):
        enter_terms(store, one)
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
