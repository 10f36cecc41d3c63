"""Who has changed in a store since it was last looked at: a cheap question, to be asked every second."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, select

from harness.cohort.leases import is_dead
from harness.cohort.schema import GradeTable, LinkTable, SubmissionTable, TaskTable
from harness.cohort.store import Store


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
    """Give the marks of every student, oldest link first."""
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
