"""Who has just been graded."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from harness.cohort.schema import GradeTable, SubmissionTable, WorkTable
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


def graded_since(store: Store, scope: str, number: int) -> Sequence[Given]:
    """List the grades of a scope that were given after one, in their order."""
    with store.reading() as session:
        found = session.execute(
            select(GradeTable.id, SubmissionTable.student, GradeTable.verdict)
            .join(WorkTable, WorkTable.key == GradeTable.key)
            .join(SubmissionTable, SubmissionTable.id == WorkTable.submission_id)
            .where(WorkTable.scope == scope, GradeTable.id > number)
            .order_by(GradeTable.id)
        )
        return [Given(*one) for one in found]
