"""How far the works of a scope are: who has just been graded, how long a grade takes."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from harness.cohort.queries import last_verdicts
from harness.cohort.schema import GradeTable, SubmissionTable, TaskTable
from harness.cohort.store import Store


@dataclass(frozen=True)
class Given:
    """One grade that was given: its number in the store, to whom, and the verdict."""

    number: int
    student: str
    verdict: str


def last_grade(store: Store) -> int:
    """Give the number of the last grade, 0 where there is none."""
    with store.reading() as session:
        return session.scalar(select(func.max(GradeTable.id))) or 0


def graded_since(store: Store, run_key: str, number: int) -> Sequence[Given]:
    """List the grades of a scope that were given after one, in their order."""
    with store.reading() as session:
        found = session.execute(
            select(GradeTable.id, SubmissionTable.student, GradeTable.verdict)
            .join(TaskTable, TaskTable.key == GradeTable.key)
            .join(SubmissionTable, SubmissionTable.id == TaskTable.submission_id)
            .where(TaskTable.run_key == run_key, GradeTable.id > number)
            .order_by(GradeTable.id)
        )
        return [Given(*one) for one in found]


def typical_seconds(store: Store, run_key: str) -> Mapping[str, float]:
    """Give the median seconds of a grade in a scope: ``rules`` and ``full``, where there is one."""
    with store.reading() as session:
        measured = session.execute(
            select(GradeTable.stage, GradeTable.seconds)
            .join(TaskTable, TaskTable.key == GradeTable.key)
            .where(TaskTable.run_key == run_key, GradeTable.reason != "rejudged")
        ).all()
    by_stage: dict[str, list[float]] = {}
    for stage, seconds in measured:
        by_stage.setdefault(stage, []).append(seconds)
    return {stage: statistics.median(seconds) for stage, seconds in by_stage.items()}


def progress_of(store: Store, run_key: str) -> Mapping[str, tuple[str, str]]:
    """Say of each work of a scope, by key, its stage and its last verdict, "" where it has none."""
    with store.reading() as session:
        tasks = session.execute(
            select(TaskTable.key, TaskTable.stage).where(TaskTable.run_key == run_key)
        ).all()
        verdicts, _ = last_verdicts(session, run_key)
    return {key: (stage, verdicts.get(key, "")) for key, stage in tasks}
