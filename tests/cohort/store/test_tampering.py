"""A grade that somebody has changed in the database is no grade, and is said to be none."""

import json

import pytest
from sqlalchemy import update

from harness.cohort.final_points import standing
from harness.cohort.runner import begin_again
from harness.cohort.store.leases import Outcome, claim, finish
from harness.cohort.store.models import outcome
from harness.cohort.store.queries import rows
from harness.cohort.store.repository import enter, enter_config
from harness.cohort.store.scheduling import schedule
from harness.cohort.store.schema import GradeTable
from harness.cohort.table import ClassTable, render_json


@pytest.fixture
def graded(store, config, handed_in, record):
    """Grade ada and eve, then change what the database says of ada."""

    def change(**values) -> tuple:
        enter_config(store, config)
        for student, sources in (("ada", "a"), ("eve", "e")):
            enter(store, handed_in(student, sources_sha256=sources * 64), config)
            (task,) = claim(store, config.run_key, "rules", 1, "one", 60)
            finish(store, task, "one", Outcome(record(), "f" * 64, 1.0))
        ada, _ = rows(store)
        with store.writing() as session:
            session.execute(update(GradeTable).where(GradeTable.key == ada.key).values(**values))
        return rows(store)

    return change


def forged(record) -> str:
    written = json.loads(record().model_dump_json(by_alias=True))
    return json.dumps(written | {"points": 100, "max_points": 100})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"record": "forged"}, "the result was changed after it was written; expected SHA-256"),
        ({"record": "{}"}, "not a record of schema harness/record/1"),
        ({"points": 99}, "the row was changed after it was written; expected passed, "),
        ({"verdict": "failed"}, "as in its record, got failed, "),
    ],
)
def test_a_changed_grade_is_not_judged_for_want_of_the_infrastructure(graded, record, values, problem):
    values = {"record": forged(record)} if values == {"record": "forged"} else values
    ada, eve = graded(**values)
    assert problem in ada.problem
    assert "To grade it again: harness cohort retry --cause infrastructure." in ada.problem
    assert (ada.record, ada.state, ada.cause, outcome(ada)) == (
        None, "failed", "infrastructure", "not judged: infrastructure",
    )  # fmt: skip
    assert (eve.record.verdict, eve.cause, eve.problem) == ("passed", None, "")


def test_the_table_says_that_a_grade_was_changed(graded, assignment, tmp_path):
    found = graded(points=99)
    ada = json.loads(render_json(ClassTable(found, assignment, tmp_path)))["rows"][0]
    assert (ada["state"], ada["cause"], ada["points"], ada["final"]) == (
        "failed",
        "infrastructure",
        None,
        "no",
    )
    assert "the row was changed" in ada["problem"]
    assert not standing(found[0], assignment).is_final


def test_a_changed_grade_is_not_trained_on_and_is_given_again_by_a_retry(graded, store, config):
    found = graded(points=99)
    assert schedule(store, config.run_key, {row.key for row in found}, failed_too=False) == 1
    assert begin_again(store, found, frozenset({"infrastructure"})).begun == ("ada",)
    assert rows(store)[0].state == "waiting"
