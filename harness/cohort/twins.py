"""Twins: submissions of the same bytes, whatever their files are called."""

import hashlib
from pathlib import Path

from sqlalchemy import select

from harness.cohort.models import Row
from harness.cohort.schema import SubmissionTable
from harness.cohort.store import Store


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
