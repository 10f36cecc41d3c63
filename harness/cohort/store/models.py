"""Models of a class: plain data, one row a student, from which every table is made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from harness.cohort.platforms.names import Identity
from harness.record.findings import Cause, Status
from harness.record.record import Record

State = Literal["waiting", "running", "graded", "failed", "missing"]
"""``graded``: there is a verdict, or the student is why there is none; ``failed``: somebody else is;
``missing``: in the list of the class, and nothing was handed in."""
Stage = Literal["rules", "full"]
"""How far a grade went: the rules alone, or also the training that they left worth while."""
Reason = Literal["graded", "retried", "rejudged"]

CACHED = "intake.json"
"""In an artefact folder: what judging again needs besides the graph, see `harness.cohort.graders.cached`."""
_WORST_FIRST: tuple[Cause, ...] = ("harness", "infrastructure", "resource", "student")


@dataclass(frozen=True)
class Entry:
    """One line of a student's history: a grade that was given, by whom, when, under what."""

    key: str
    """Hash of submission, assignment, recipe, seed and harness version."""
    source: str
    submitted_at: datetime | None
    submission_sha256: str
    assignment_sha256: str
    harness_version: str
    stage: Stage
    reason: Reason
    verdict: Status
    points: int
    max_points: int
    cause: Cause | None
    graded_at: datetime
    worker: str
    """``user@host:pid``."""
    seconds: float
    folder: Path
    """Artefacts: ``scorecard.json``, ``scorecard.md``, ``scorecard.html``, `KEPT`, and a folder per variant
    with ``architecture.json`` and ``initial.safetensors``."""


@dataclass(frozen=True)
class Row:
    """A student's last submission under one assignment, and what became of it.

    Instants are in UTC. `record`, `folder`, `graded_at`, `worker` and `seconds` are those of its last grade,
    and None (or "") before there is one.
    """

    student: str
    source: str
    """What was handed in, as the roster names it: a path, or a repository's address."""
    submitted_at: datetime | None
    state: State
    key: str = ""
    submission_sha256: str = ""
    sources: Path | None = None
    """A copy of the submission's sources."""
    file: str = ""
    """The one file that was handed in, "" for a folder."""
    stage: Stage | None = None
    record: Record | None = None
    folder: Path | None = None
    graded_at: datetime | None = None
    worker: str = ""
    seconds: float | None = None
    attempts: int = 0
    """How often it was begun without coming to an end."""
    problem: str = ""
    """Why there is no verdict, or why nothing could be loaded."""
    is_sealed: bool = True
    """Whether the record of the last grade is as it was written; where it is not, `record` is None."""
    until: datetime | None = None
    """Until when this student may hand in, where that is later than for the others."""
    waits_for: str = ""
    """What of the student's other submissions may still count instead of this one; "" for nothing."""
    history: tuple[Entry, ...] = ()
    """Every grade of every submission of this student, in the order in which they were handed in."""
    identity: Identity | None = None
    """What the platform says of the student."""

    @property
    def cause(self) -> Cause | None:
        """The cause of what was not judged; None where all was, or nothing was tried."""
        if not self.is_sealed:
            return "infrastructure"
        found = None if self.record is None else cause_of(self.record)
        return found or ("harness" if self.state == "failed" else None)

    @property
    def reason(self) -> str:
        """The reason that it was not judged, in one line; "" where it was."""
        if self.problem or self.record is None or self.record.verdict != "not_judged":
            return self.problem
        for variant in self.record.variants.values():
            if variant.problem is not None:
                return variant.problem.message.partition("\n")[0]
            for finding in variant.findings:
                if finding.status == "not_judged" and finding.cause == self.cause:
                    return f"{finding.rule}: {finding.actual}"
        return ""


def cause_of(record: Record) -> Cause | None:
    """Return the cause of what was not judged in a record; of several, the one furthest from the student."""
    found = set(_causes(record))
    return next((cause for cause in _WORST_FIRST if cause in found), None)


def by_cause(found: Iterable[Row]) -> Mapping[str, Sequence[Row]]:
    """Sort rows by what came of them: a verdict, whose fault it is that there is none, how far they are."""
    sorted_rows: dict[str, list[Row]] = {}
    for row in found:
        sorted_rows.setdefault(outcome(row), []).append(row)
    return sorted_rows


def outcome(row: Row) -> str:
    """Return the outcome of one submission in a word or two."""
    if row.state in ("waiting", "running"):
        return row.state
    if row.state == "missing":
        return "handed in nothing"
    if row.state == "graded" and row.record is not None and row.record.verdict != "not_judged":
        return row.record.verdict
    return f"not judged: {row.cause}"


# Private functions


def _causes(record: Record) -> Iterable[Cause]:
    for variant in record.variants.values():
        for finding in variant.findings:
            if finding.status == "not_judged" and finding.cause is not None:
                yield finding.cause
