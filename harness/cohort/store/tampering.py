"""A grade counts as long as it is as it was given: its record has its seal, and its row says the same."""

from harness.base.errors import UsageError
from harness.cohort.store.schema import GradeTable
from harness.record.record import Record, parse_record

_AGAIN = "To grade it again: harness cohort retry --cause infrastructure."


def record_of(grade: GradeTable, text: str) -> Record:
    """Parse the record of a grade, `text`, and check that neither it nor the row was changed.

    Raises:
        UsageError: one was.
    """
    where = f"grade {grade.id} of the store"
    try:
        record = parse_record(text, where)
    except UsageError as error:
        raise UsageError(f"{error} {_AGAIN}") from None
    expected = f"{record.verdict}, {record.points} of {record.max_points} points"
    got = f"{grade.verdict}, {grade.points} of {grade.max_points} points"
    if expected != got:
        raise UsageError(
            f"{where}: the row was changed after it was written; expected {expected}, as in its record, got "
            f"{got}. {_AGAIN}"
        )
    return record
