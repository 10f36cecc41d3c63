"""One student, by a name as people write it."""

from sqlalchemy import select

from harness.base.errors import UsageError
from harness.cohort.attendance import absent
from harness.cohort.models import Row
from harness.cohort.names import one_of
from harness.cohort.queries import rows
from harness.cohort.register import class_list_of, identities
from harness.cohort.schema import SubmissionTable
from harness.cohort.store import Store


def row_of(store: Store, student: str, assignment_sha256: str | None = None) -> Row:
    """Return one student's row: by the name, in small or capital letters, or by a beginning no other has.

    Who is in the list of the class and has handed in nothing has a row that says so.

    Raises:
        UsageError: there is no such student, or there are several.
    """
    with store.reading() as session:
        names = list(session.scalars(select(SubmissionTable.student).distinct()))
    listed, said = class_list_of(store), identities(store)
    missing = {row.student: row for row in absent(listed, {name: said.get(name) for name in names})}
    name = one_of(student, [*names, *missing])
    if name in missing:
        return missing[name]
    found = rows(store, assignment_sha256, [name])
    if not found:
        raise UsageError(f"{student}: handed in nothing under this assignment; expected who did.")
    return found[0]
