"""Who has changed in a store since it was last looked at: a cheap question, to be asked every second."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, select

from harness.cohort.leases import is_dead
from harness.cohort.schema import GradeTable, LinkTable, SubmissionTable, WorkTable
from harness.cohort.store import Store


class Mark(NamedTuple):
    """One submission and what grades it: it changes whenever the student's row does."""

    link: int
    key: str
    stage: str
    owner: str
    """Who is at it, as long as that process lives and its lease lasts; else ""."""
    problem: str
    grade: int | None
    """Number of the last grade."""


def marks(store: Store) -> Mapping[str, tuple[Mark, ...]]:
    """Give the marks of every student, oldest link first."""
    now = time.time()
    columns = WorkTable.key, WorkTable.stage, WorkTable.owner, WorkTable.lease_until, WorkTable.problem
    last_grade = select(GradeTable.key, func.max(GradeTable.id)).group_by(GradeTable.key)
    linked = (
        select(SubmissionTable.student, LinkTable.id, LinkTable.key)
        .join(LinkTable, LinkTable.submission_id == SubmissionTable.id)
        .order_by(LinkTable.id)
    )
    with store.reading() as session:
        works = {
            key: (stage, owner if owner and until >= now and not is_dead(owner) else "", problem)
            for key, stage, owner, until, problem in session.execute(select(*columns))
        }
        grades = dict(session.execute(last_grade).all())
        found: dict[str, list[Mark]] = {}
        for student, link, key in session.execute(linked):
            found.setdefault(student, []).append(Mark(link, key, *works[key], grades.get(key)))
    return {student: tuple(some) for student, some in found.items()}
