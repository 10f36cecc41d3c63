"""The assignment of a record, read from the record."""

from harness.assignment.spec import parse_assignment
from harness.base.errors import AssignmentError
from harness.record.record import Record


def accuracy_asked(record: Record, variant: str) -> float | None:
    """Return the accuracy that a variant had to reach, a share in [0, 1].

    None where none was asked for, or where the record holds no assignment that can be read.
    """
    try:
        assignment = parse_assignment(record.provenance.get("assignment", {}))
        return assignment.accuracy_asked(variant)
    except (AssignmentError, KeyError):
        return None
