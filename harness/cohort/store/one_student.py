"""One student of a store: the row, by a name as people write it, and who submitted the same bytes."""

import hashlib
from pathlib import Path

from sqlalchemy import select

from harness.base.errors import UsageError
from harness.cohort.platforms.attendance import absent
from harness.cohort.platforms.names import one_of
from harness.cohort.store.models import Row
from harness.cohort.store.queries import rows
from harness.cohort.store.schema import SubmissionTable
from harness.cohort.store.store import Store
from harness.cohort.store.stored_class_list import class_list_of, identities


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


def with_the_same_bytes(store: Store, row: Row) -> tuple[str, ...]:
    """Return the other students whose submissions have the same content, by name.

    What could not be opened has no files to compare.
    """
    if row.sources is None or not row.sources.is_dir():
        return ()
    with store.reading() as session:
        asked = select(SubmissionTable.student, SubmissionTable.sources_sha256).where(
            SubmissionTable.problem == "", SubmissionTable.student != row.student
        )
        others = session.execute(asked.distinct()).all()
        opened = select(SubmissionTable.id).where(
            SubmissionTable.problem == "", SubmissionTable.sources_sha256 == row.submission_sha256
        )
        if session.scalar(opened.limit(1)) is None:
            return ()
    sizes, contents = _sizes(row.sources), _contents(row.sources)
    equal = {
        student
        for student, sha256 in others
        if sha256 == row.submission_sha256
        or (_sizes(other := store.objects.path(sha256)) == sizes and _contents(other) == contents)
    }
    return tuple(sorted(equal))


# Private functions


def _sizes(folder: Path) -> list[int]:
    """List the sizes of a folder's files: a cheap first look."""
    return sorted(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _contents(folder: Path) -> list[str]:
    """List the SHA-256 of a folder's files."""
    return sorted(
        hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.rglob("*") if file.is_file()
    )
