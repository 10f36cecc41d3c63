"""The one assignment that a store is graded by: which it is, that no other one is used, and how to switch."""

import getpass
import platform
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harness.assignment.points import SHORT
from harness.assignment.spec import AssignmentSpec
from harness.base.errors import UsageError
from harness.base.tables import content_hash
from harness.cohort.store.schema import AssignmentTable, CurrentTable
from harness.cohort.store.store import EMPTY, Store


def switch_to(store: Store, assignment_sha256: str) -> None:
    """Make an assignment that is in the store the one that counts from now on."""

    def enter_once(session: Session) -> None:
        if current_sha256(session) != assignment_sha256:
            session.add(as_current(assignment_sha256))

    store.write(enter_once)


def current_sha256(session: Session) -> str | None:
    """Return the hash of the assignment that counts; None in a store where nothing was entered."""
    return session.scalar(select(CurrentTable.assignment_sha256).order_by(CurrentTable.id.desc()).limit(1))


def current_assignment(store: Store) -> str:
    """Return the hash of the assignment that counts.

    Raises:
        UsageError: nothing has been handed in.
    """
    with store.reading() as session:
        found = current_sha256(session)
    if found is None:
        raise UsageError(EMPTY)
    return found


def require_current(store: Store, assignment: AssignmentSpec, switch: str = "--assignment FILE") -> None:
    """Make sure that a class is not graded by two assignments at a time.

    `switch` has the options of the command that would switch to this one.

    Raises:
        UsageError: another assignment counts in this store.
    """
    with store.reading() as session:
        found = current_sha256(session)
        kept = None if found is None else session.get(AssignmentTable, found)
    if kept is not None and kept.sha256 != content_hash(assignment):
        raise UsageError(
            f"this store is graded by assignment {kept.name} {kept.sha256[:SHORT]}; expected that one, got "
            f"{assignment.id} {content_hash(assignment)[:SHORT]}. To switch: harness cohort regrade {switch} "
            "shows whose grade changes, and with --apply changes them. Without --assignment the class is "
            "graded by its own; another --store may have another."
        )


def as_current(assignment_sha256: str) -> CurrentTable:
    """Make the entry that an assignment counts from now on."""
    by = f"{getpass.getuser()}@{platform.node()}"
    return CurrentTable(assignment_sha256=assignment_sha256, since=datetime.now(UTC), by=by)
