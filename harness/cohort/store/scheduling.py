"""From one stage to the next: who is trained, and who is graded once more."""

from collections.abc import Collection
from contextlib import suppress

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from harness.base.errors import UsageError
from harness.cohort.store.repository import changed
from harness.cohort.store.schema import GradeTable, TaskTable
from harness.cohort.store.store import Store
from harness.cohort.store.tampering import record_of
from harness.record.record import Record

OVER = ("judged", "trained", "dead")
"""Stages of a task that is over."""


def schedule(store: Store, run_key: str, keys: Collection[str], *, failed_too: bool) -> int:
    """Schedule a training for those that can still pass, or for all that can be run; return how many.

    Most promising first: by points, then by the number of parameters.
    """
    with store.reading() as session:
        here = TaskTable.run_key == run_key, TaskTable.stage == "judged"
        judged = session.scalars(select(TaskTable.key).where(*here)).all()
        records = [(key, _last_record(session, key)) for key in judged if key in keys]
    added = 0
    for key, record in records:
        if record is None or not _is_worth_training(record, failed_too=failed_too):
            continue
        waiting = (
            update(TaskTable)
            .where(TaskTable.key == key, TaskTable.stage == "judged")
            .values(stage="training", priority=_promise(record))
        )
        with store.writing() as session:
            added += changed(session, waiting)
    return added


def begin_anew(store: Store, key: str, stage: str) -> bool:
    """Schedule a task again from a stage on; what was graded stays in the history.

    False if somebody is to do something about it anyway.
    """
    again = (
        update(TaskTable)
        .where(TaskTable.key == key, TaskTable.stage.in_(OVER))
        .values(stage=stage, generation=TaskTable.generation + 1, attempts=0, problem="")
    )
    with store.writing() as session:
        return bool(changed(session, again))


# Private functions


def _last_record(session: Session, key: str) -> Record | None:
    """Return the record of a task's last grade; None where it has none, or one that was changed."""
    grade = session.scalar(
        select(GradeTable).where(GradeTable.key == key).order_by(GradeTable.id.desc()).limit(1)
    )
    with suppress(UsageError):
        return None if grade is None else record_of(grade, grade.record)
    return None


def _is_worth_training(record: Record, *, failed_too: bool) -> bool:
    if failed_too:
        return any(variant.problem is None for variant in record.variants.values())
    return record.verdict == "passed"


def _promise(record: Record) -> float:
    parameters = max(variant.facts.parameters or 0 for variant in record.variants.values())
    return record.points * 1e9 + parameters
