"""The record of one graded submission: frozen data, and the one JSON form it is written in.

Everything but `Record.provenance` is the *result*: no clock, no host name, the same bytes for equal
runs. `result_sha256` is its hash. Reports are rendered from a record and never read back.
Every key is documented in docs/record.md.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from harness.base.errors import UsageError
from harness.base.tables import Frozen
from harness.record.facts import Facts, ReceptiveFieldRow
from harness.record.findings import Finding, Problem, Status
from harness.record.trainings import Training

SCHEMA: Literal["harness/record/1"] = "harness/record/1"


class VariantRecord(Frozen):
    """Everything about one variant of a submission. `full` says that training was part of it.

    `more_trainings` are those with further seeds, where the first came close to the line.
    """

    title: str
    class_name: str
    full: bool
    problem: Problem | None = None
    taken_in: tuple[str, ...] = ()
    """What was built, of which file and with which arguments, and what was left out; text to show."""
    verdict: Status
    points: int
    max_points: int
    findings: tuple[Finding, ...]
    facts: Facts
    receptive_field: tuple[ReceptiveFieldRow, ...] = ()
    summary: str = ""
    graph_sha256: str | None = None
    training: Training | None = None
    more_trainings: tuple[Training, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Whether it was asked for and not handed in."""
        return self.problem is None and self.class_name == ""

    @property
    def trainings(self) -> tuple[Training, ...]:
        """All trainings, by seed."""
        return (() if self.training is None else (self.training,)) + self.more_trainings


class Record(Frozen):
    """One graded submission."""

    schema_: Literal["harness/record/1"] = Field(default=SCHEMA, alias="schema")
    assignment: str
    assignment_title: str
    assignment_sha256: str
    submission_sha256: str
    self_check: bool = False
    """The submission ran on its author's own machine, without a sandbox: never a grade."""
    verdict: Status
    points: int
    max_points: int
    variants: dict[str, VariantRecord]
    result_sha256: str = ""
    provenance: dict[str, Any] = Field(default_factory=dict)


def sealed(record: Record) -> Record:
    """Return the record with `result_sha256` set to the hash of its result."""
    return record.model_copy(update={"result_sha256": _digest(record.model_dump(mode="json", by_alias=True))})


def to_json(record: Record) -> str:
    """Write a record: sorted keys, two-space indent, never NaN, one newline at the end."""
    data = record.model_dump(mode="json", by_alias=True)
    return json.dumps(data, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def load_record(path: Path) -> Record:
    """Read a record and check its seal.

    Raises:
        UsageError: no such file, not a record, its result does not have the hash it names, or it is a
            student's own check, which is no grade.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; expected a record such as results/scorecard.json.") from None
    return parse_record(text, str(path))


def parse_record(text: str | bytes, where: str) -> Record:
    """Parse a record that was written, and check its seal; `where` names its place in messages.

    Raises:
        UsageError: as `load_record`.
    """
    try:
        record = Record.model_validate_json(text)
    except ValidationError as error:
        raise UsageError(f"{where}: not a record of schema {SCHEMA}: {error.errors()[0]['msg']}.") from None
    # Of what was written, not of what was read: a field added since has a default, and changes no old record.
    if (digest := _digest(json.loads(text))) != record.result_sha256:
        raise UsageError(
            f"{where}: the result was changed after it was written; expected SHA-256 "
            f"{record.result_sha256}, got {digest}. Grade the submission again."
        )
    if record.self_check:
        raise UsageError(
            f"{where}: a student's own check, made without a sandbox; expected a grade. Grade the submission."
        )
    return record


def _digest(data: dict[str, Any]) -> str:
    """Hash a written record without its provenance and its hash."""
    result = {key: value for key, value in data.items() if key not in ("provenance", "result_sha256")}
    return hashlib.sha256(_canonical(result).encode()).hexdigest()


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
