"""Who has changed in a store since it was last looked at: a cheap question, for whoever asks it every second."""

import time
from collections.abc import Hashable, Mapping

from sqlalchemy import func, select

from harness.cohort.leases import is_dead
from harness.cohort.schema import GradeTable, LinkTable, SubmissionTable, WorkTable
from harness.cohort.store import Store


def marks(store: Store) -> Mapping[str, Hashable]:
    """Give, by student, what changes whenever the student's row does: grades, lease, submissions."""
    now = time.time()
    with store.reading() as session:
        works = {
            key: (stage, owner if owner != "" and until >= now and not is_dead(owner) else "", problem)
            for key, stage, owner, until, problem in session.execute(
                select(
                    WorkTable.key, WorkTable.stage, WorkTable.owner, WorkTable.lease_until, WorkTable.problem
                )
            )
        }
        given = dict(
            session.execute(select(GradeTable.key, func.max(GradeTable.id)).group_by(GradeTable.key)).all()
        )
        linked = session.execute(
            select(SubmissionTable.student, SubmissionTable.id, LinkTable.id, LinkTable.key)
            .join(LinkTable, LinkTable.submission_id == SubmissionTable.id)
            .order_by(LinkTable.id)
        ).all()
    found: dict[str, list[Hashable]] = {}
    for student, submission, link, key in linked:
        found.setdefault(student, []).append((submission, link, works[key], given.get(key)))
    return {student: tuple(some) for student, some in found.items()}
