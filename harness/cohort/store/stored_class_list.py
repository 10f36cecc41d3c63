"""The register of a class, as a store remembers it: the platform's list, and each student's identity."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harness.cohort.platforms.class_list import ClassList
from harness.cohort.platforms.names import Identity, from_text, to_text
from harness.cohort.store.schema import ClassListTable, IdentityTable
from harness.cohort.store.store import Store


def enter_identity(session: Session, student: str, identity: Identity) -> None:
    """Store what a platform says of a student, unless it is what it said last."""
    content = to_text(identity)
    last = session.scalar(
        select(IdentityTable.content)
        .where(IdentityTable.student == student)
        .order_by(IdentityTable.id.desc())
        .limit(1)
    )
    if last != content:
        session.add(IdentityTable(student=student, content=content))


def identities(store: Store) -> Mapping[str, Identity]:
    """Return what platforms have said last of each student, by name."""
    with store.reading() as session:
        return read_identities(session)


def read_identities(session: Session) -> Mapping[str, Identity]:
    """Return the same in a session that is open."""
    found = session.execute(select(IdentityTable.student, IdentityTable.content).order_by(IdentityTable.id))
    return {student: from_text(content) for student, content in found}


def enter_class_list(store: Store, listed: ClassList) -> None:
    """Store the platform's list of the class, unless it is the last one."""
    content = json.dumps({"head_at": listed.head_at, "lines": listed.lines})

    def enter_once(session: Session) -> None:
        last = select(ClassListTable.content).order_by(ClassListTable.id.desc()).limit(1)
        if session.scalar(last) != content:
            session.add(ClassListTable(content=content, entered_at=datetime.now(UTC)))

    store.write(enter_once)


def class_list_of(store: Store) -> ClassList | None:
    """Return the last list of the class; None where there is none."""
    with store.reading() as session:
        content = session.scalar(select(ClassListTable.content).order_by(ClassListTable.id.desc()).limit(1))
    if content is None:
        return None
    found = json.loads(content)
    return ClassList(tuple(map(tuple, found["lines"])), found["head_at"])
