"""Who may hand in later: a list that is read, kept, and changes grades only with a word."""

from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from harness.assignment.spec import parse_assignment
from harness.base.errors import UsageError
from harness.cli.app import app
from harness.cohort.final_points import standing
from harness.cohort.store.deadline_extensions import (
    Extension,
    enter_extensions,
    extensions_in,
    read_extensions,
)
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.queries import rows
from harness.cohort.store.repository import enter, enter_config, grade_row
from harness.cohort.store.schema import TaskTable
from harness.cohort.store.store import opened_store

LATER = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)


def read(tmp_path, text: str):
    path = tmp_path / "later.csv"
    path.write_text(text)
    return read_extensions(path)


def test_a_list_has_students_and_instants_with_a_heading_or_without(tmp_path):
    line = "ada lovelace,2026-12-03T12:00:00+01:00\n"
    assert read(tmp_path, line) == (Extension("ada lovelace", LATER),)
    assert read(tmp_path, f"student,until\n\n{line}bob,\n")[1] == Extension("bob", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ada,2026-12-03\n", "line 1: until: expected an instant with its time zone, such as 2026-12-01T"),
        ("ada,2026-12-03T12:00:00\n", "with its time zone"),
        ("ada,soon\nbob,later\n", "line 2: until: expected an instant"),
        ("ada\n", "line 1: expected the columns student and until, got 1 columns."),
        (",2026-12-03T12:00:00Z\n", "line 1: student: expected a name, got ''. Fill it in."),
        ("ada,\nada,\n", "line 2: ada is there twice; expected one line a student. Remove one."),
        ("student,until\n", "nobody in it; expected the columns student and until of each."),
        ('"ada,\n', "cannot be read as CSV"),
    ],
)
def test_every_mistake_is_said_with_its_line(tmp_path, text, message):
    with pytest.raises(UsageError) as raised:
        read(tmp_path, text)
    assert message in str(raised.value)


def test_a_list_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"none.csv: no such file; expected a .csv file with the columns"):
        read_extensions(tmp_path / "none.csv")


def test_the_last_extension_counts_and_none_takes_it_back(store):
    for until in (LATER, LATER.replace(day=5)):
        enter_extensions(store, (Extension("ada", until), Extension("bob", LATER)), "me")
    enter_extensions(store, (Extension("bob", None),), "me")
    with store.reading() as session:
        assert dict(extensions_in(session)) == {"ada": LATER.replace(day=5)}


@pytest.fixture
def graded_late(tmp_path, assignment, handed_in, row):
    """A store with ada, who has all points and was two days late; gives its path and assignment."""
    policy = {"due": "2026-05-03T00:00:00+00:00", "late": {"per_day_percent": 10}}
    spec = parse_assignment(assignment.model_dump(mode="json", by_alias=True) | {"policy": policy})
    config, path = GradingConfig(spec, seed=1), tmp_path / "cohort.db"
    with opened_store(str(path)) as store:
        enter_config(store, config)
        key = enter(store, handed_in(), config)
        with store.writing() as session:
            session.add(grade_row(key, 0, "full", "graded", row().record, "f" * 64, "me", 2.0))
            session.get_one(TaskTable, key).stage = "trained"
    return path, spec


def test_the_command_says_whose_grade_changes(graded_late, tmp_path):
    path, spec = graded_late
    (tmp_path / "later.csv").write_text("ada,2026-05-05T00:00:00Z\nadda,2026-05-05T00:00:00Z\n")
    said = CliRunner().invoke(app, ["cohort", "extend", str(tmp_path / "later.csv"), "--store", str(path)])
    assert said.exit_code == 0, said.output
    assert said.stdout.splitlines() == [
        "ada: until 2026-05-05 00:00 UTC",
        "adda: until 2026-05-05 00:00 UTC",
        "  handed in nothing yet. Did you mean 'ada'?",
        "ada: passed, 80 of 100 points (100 before lateness): due 2026-05-03 00:00 UTC; 2 days late, "
        "begun ones counted: 20 % off → passed, 100 of 100 points",
        "2 extensions; 1 grades change",
    ]
    with opened_store(str(path)) as store:
        (ada,) = rows(store)
    assert (ada.until, standing(ada, spec).points) == (datetime(2026, 5, 5, tzinfo=UTC), 100)


def test_an_assignment_without_a_due_instant_is_told(tmp_path, config, handed_in):
    path = tmp_path / "cohort.db"
    with opened_store(str(path)) as store:
        enter_config(store, config)
        enter(store, handed_in(), config)
    (tmp_path / "later.csv").write_text("ada,2026-05-05T00:00:00Z\n")
    said = CliRunner().invoke(app, ["cohort", "extend", str(tmp_path / "later.csv"), "--store", str(path)])
    assert "says nothing about when it is due; add due under [policy]" in said.stderr
