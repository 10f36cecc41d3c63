"""Progress of a run: who has just been graded, how long a grade takes, and which rows have changed."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import func, select

from harness.cohort.store.leases import is_dead
from harness.cohort.store.queries import last_verdicts
from harness.cohort.store.schema import GradeTable, LinkTable, SubmissionTable, TaskTable
from harness.cohort.store.store import Store


@dataclass(frozen=True)
class Given:
    """One grade that was given: its number in the store, to whom, and the verdict."""

    number: int
    student: str
    verdict: str


def last_grade(store: Store) -> int:
    """Return the number of the last grade, 0 where there is none."""
    with store.reading() as session:
        return session.scalar(select(func.max(GradeTable.id))) or 0


def graded_since(store: Store, run_key: str, number: int) -> Sequence[Given]:
    """List the grades of a run that were given after one, in their order."""
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
    """Return the median seconds of a grade in a run: ``rules`` and ``full``, where there is one."""
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
    """Return the stage and the last verdict of each task of a run, by key; "" where it has none."""
    with store.reading() as session:
        tasks = session.execute(
            select(TaskTable.key, TaskTable.stage).where(TaskTable.run_key == run_key)
        ).all()
        verdicts, _ = last_verdicts(session, run_key)
    return {key: (stage, verdicts.get(key, "")) for key, stage in tasks}


class Version(NamedTuple):
    """One submission and what grades it: it changes whenever the student's row does."""

    link: int
    key: str
    stage: str
    owner: str
    """Who is at it, as long as that process lives and its lease lasts; else ""."""
    problem: str
    grade: int | None
    """Number of the last grade."""


def versions(store: Store) -> Mapping[str, tuple[Version, ...]]:
    """Return the versions of every student's submissions, oldest link first."""
    now = time.time()
    columns = TaskTable.key, TaskTable.stage, TaskTable.owner, TaskTable.lease_until, TaskTable.problem
    last_grade = select(GradeTable.key, func.max(GradeTable.id)).group_by(GradeTable.key)
    linked = (
        select(SubmissionTable.student, LinkTable.id, LinkTable.key)
        .join(LinkTable, LinkTable.submission_id == SubmissionTable.id)
        .order_by(LinkTable.id)
    )
    with store.reading() as session:
        tasks = {
            key: (stage, owner if owner and until >= now and not is_dead(owner) else "", problem)
            for key, stage, owner, until, problem in session.execute(select(*columns))
        }
        grades = dict(session.execute(last_grade).all())
        found: dict[str, list[Version]] = {}
        for student, link, key in session.execute(linked):
            found.setdefault(student, []).append(Version(link, key, *tasks[key], grades.get(key)))
    return {student: tuple(some) for student, some in found.items()}
