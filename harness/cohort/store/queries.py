"""Queries of a store, as plain data: the rows of a class, how far a run is, how long things take."""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from harness.base.errors import HarnessError, UsageError
from harness.cohort.final_points import counting
from harness.cohort.platforms.names import in_order
from harness.cohort.store.current_assignment import current_assignment
from harness.cohort.store.deadline_extensions import extensions_in
from harness.cohort.store.models import Entry, Reason, Row, Stage, State
from harness.cohort.store.objects import Objects
from harness.cohort.store.repository import assignment_of
from harness.cohort.store.schema import AssignmentTable, GradeTable, LinkTable, SubmissionTable, TaskTable
from harness.cohort.store.store import Store
from harness.cohort.store.stored_class_list import read_identities
from harness.cohort.store.tampering import record_of
from harness.record.findings import Cause, Status

WAITING = ("rules", "training")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Counts:
    """The counts of a run's tasks: those that wait or run, by stage; those that are over, by verdict.

    A task that is judged and waits for its training counts twice, as it is both.
    """

    waiting: Mapping[str, int]
    running: Mapping[str, int]
    verdicts: Mapping[str, int]
    """``passed``, ``failed``, ``not_judged`` of the last grade, and ``dead``."""
    graded: int
    """Grades given, of either stage."""

    @property
    def left(self) -> int:
        """Tasks that somebody still has to work on."""
        return sum(self.waiting.values()) + sum(self.running.values())


def assignments(store: Store) -> Mapping[str, str]:
    """Return the names of the assignments that were graded under, by hash."""
    with store.reading() as session:
        return {found.sha256: found.name for found in session.scalars(select(AssignmentTable))}


def rows(
    store: Store, assignment_sha256: str | None = None, students: Collection[str] | None = None
) -> tuple[Row, ...]:
    """Return one row a student, by name: the submission that counts under an assignment, the current if None.

    `students` asks for the rows of some alone, by the names in the store.

    Raises:
        UsageError: nothing has been handed in.
    """
    requested = assignment_sha256 or current_assignment(store)
    spec = assignment_of(store, requested)
    last_alone = spec.policy.counts == "last"
    return tuple(
        counting(some, spec) for some in submissions(store, requested, students, last_alone=last_alone)
    )


def submissions(
    store: Store,
    assignment_sha256: str | None = None,
    students: Collection[str] | None = None,
    *,
    last_alone: bool = False,
) -> tuple[tuple[Row, ...], ...]:
    """Return the submissions of each student under an assignment, in the order of time; students by name.

    `students` asks for the rows of some alone, by the names in the store.

    Raises:
        UsageError: nothing has been handed in.
    """
    requested = assignment_sha256 or current_assignment(store)
    submissions_of = select(SubmissionTable)
    if students is not None:
        submissions_of = submissions_of.where(SubmissionTable.student.in_(students))
    with store.reading() as session:
        handed = list(session.scalars(submissions_of))
        links = _links(session, None if students is None else [one.id for one in handed])
        keys = None if students is None else {key for some in links.values() for key in some}
        tasks, grades = _tasks(session, keys), _grades(session, keys)
        extended = extensions_in(session)
        records = _last_records(session, grades.values())
        said = read_identities(session)
    by_student: dict[str, list[SubmissionTable]] = {}
    for one in sorted(handed, key=lambda one: (one.submitted_at or _LONG_AGO, one.id)):
        by_student.setdefault(one.student, []).append(one)
    found = []
    for name in sorted(by_student, key=in_order):
        handed_in = by_student[name]
        history = _history(handed_in, links, tasks, grades, store.objects)
        under = [(one, key) for one in handed_in if (key := _under(requested, links.get(one.id, []), tasks))]
        some = [
            _row(one, tasks[key], grades.get(key, []), records, history, store.objects)
            for one, key in (under[-1:] if last_alone else under)
        ]
        if some:
            until, identity = extended.get(name), said.get(name)
            found.append(tuple(replace(row, until=until, identity=identity) for row in some))
    return tuple(found)


def counts(store: Store, run_key: str) -> Counts:
    """Count the tasks of a run by how far they are."""
    now = time.time()
    with store.reading() as session:
        tasks = session.execute(
            select(TaskTable.key, TaskTable.stage, TaskTable.owner, TaskTable.lease_until).where(
                TaskTable.run_key == run_key
            )
        ).all()
        verdicts, graded = last_verdicts(session, run_key)
    open_tasks = [(stage, _held(owner, until, now)) for _, stage, owner, until in tasks if stage in WAITING]
    waiting = Counter(stage for stage, held in open_tasks if not held)
    running = Counter(stage for stage, held in open_tasks if held)
    over = Counter(
        "dead" if stage == "dead" else verdicts[key]
        for key, stage, _, _ in tasks
        if stage != "rules" and (stage == "dead" or key in verdicts)
    )
    return Counts(waiting, running, over, graded)


def last_folder(store: Store, key: str) -> Path:
    """Return the artefact folder of a task's last grade.

    Raises:
        HarnessError: it has none.
    """
    with store.reading() as session:
        found = session.scalar(
            select(GradeTable.folder_sha256)
            .where(GradeTable.key == key)
            .order_by(GradeTable.id.desc())
            .limit(1)
        )
    if found is None:
        raise HarnessError(f"task {key}: expected a grade by the rules, got none. Grade the class again.")
    return store.objects.path(found)


def last_verdicts(session: Session, run_key: str) -> tuple[dict[str, str], int]:
    """Return the last verdict of each task, and how many grades there are."""
    given = session.execute(
        select(GradeTable.key, GradeTable.verdict)
        .join(TaskTable, TaskTable.key == GradeTable.key)
        .where(TaskTable.run_key == run_key)
        .order_by(GradeTable.id)
    )
    listed = list(given)
    return dict(listed), len(listed)


# Private functions


def _links(session: Session, submissions: Sequence[int] | None) -> dict[int, list[str]]:
    """Return the keys of submissions, of all if None, oldest link first."""
    asked = select(LinkTable).order_by(LinkTable.id)
    if submissions is not None:
        asked = asked.where(LinkTable.submission_id.in_(submissions))
    found: dict[int, list[str]] = {}
    for link in session.scalars(asked):
        found.setdefault(link.submission_id, []).append(link.key)
    return found


def _tasks(session: Session, keys: Collection[str] | None) -> dict[str, TaskTable]:
    asked = select(TaskTable) if keys is None else select(TaskTable).where(TaskTable.key.in_(keys))
    return {task.key: task for task in session.scalars(asked)}


def _grades(session: Session, keys: Collection[str] | None) -> dict[str, list[GradeTable]]:
    """Return the grades of tasks, of all if None, oldest first and without their records."""
    asked = select(GradeTable).options(defer(GradeTable.record)).order_by(GradeTable.id)
    if keys is not None:
        asked = asked.where(GradeTable.key.in_(keys))
    found: dict[str, list[GradeTable]] = {}
    for grade in session.scalars(asked):
        found.setdefault(grade.key, []).append(grade)
    return found


def _under(assignment_sha256: str, keys: Iterable[str], tasks: Mapping[str, TaskTable]) -> str | None:
    """Return the last of a submission's keys under an assignment."""
    return next(
        (key for key in reversed(list(keys)) if tasks[key].assignment_sha256 == assignment_sha256), None
    )


def _history(
    handed_in: Iterable[SubmissionTable],
    links: Mapping[int, Sequence[str]],
    tasks: Mapping[str, TaskTable],
    grades: Mapping[str, Sequence[GradeTable]],
    objects: Objects,
) -> tuple[Entry, ...]:
    """List every grade of every submission, in the order in which they were handed in, then graded."""
    return tuple(
        _entry(one, tasks[key], grade, objects)
        for one in handed_in
        for grade, key in sorted(
            ((grade, key) for key in dict.fromkeys(links.get(one.id, ())) for grade in grades.get(key, ())),
            key=lambda pair: pair[0].id,
        )
    )


def _last_records(session: Session, grades: Iterable[Sequence[GradeTable]]) -> dict[int, str]:
    """Load the last record of each task alone: they are large, and the history needs none."""
    requested = [given[-1].id for given in grades]
    return dict(
        session.execute(select(GradeTable.id, GradeTable.record).where(GradeTable.id.in_(requested))).all()
    )


def _entry(one: SubmissionTable, task: TaskTable, grade: GradeTable, objects: Objects) -> Entry:
    return Entry(
        key=grade.key,
        source=one.source,
        submitted_at=one.submitted_at,
        submission_sha256=one.sources_sha256,
        assignment_sha256=task.assignment_sha256,
        harness_version=task.harness_version,
        stage=cast("Stage", grade.stage),
        reason=cast("Reason", grade.reason),
        verdict=cast("Status", grade.verdict),
        points=grade.points,
        max_points=grade.max_points,
        cause=cast("Cause", grade.cause) if grade.cause else None,
        graded_at=grade.graded_at,
        worker=grade.worker,
        seconds=grade.seconds,
        folder=objects.path(grade.folder_sha256),
    )


def _row(
    one: SubmissionTable,
    task: TaskTable,
    grades: Sequence[GradeTable],
    records: Mapping[int, str],
    history: tuple[Entry, ...],
    objects: Objects,
) -> Row:
    row = Row(
        student=one.student,
        source=one.source,
        submitted_at=one.submitted_at,
        state=_state(task, grades),
        key=task.key,
        submission_sha256=one.sources_sha256,
        sources=objects.path(one.sources_sha256),
        file=one.file,
        attempts=task.attempts,
        problem=task.problem or one.problem,
        history=history,
    )
    if not grades:
        return row
    last = grades[-1]
    entry = next(entry for entry in reversed(history) if entry.key == task.key)
    try:
        record = record_of(last, records[last.id])
    except UsageError as error:
        is_over = task.stage not in WAITING  # else it is about to be given again
        return replace(row, state="failed", problem=str(error), is_sealed=False) if is_over else row
    return replace(
        row,
        record=record,
        stage=entry.stage,
        folder=entry.folder,
        graded_at=last.graded_at,
        worker=last.worker,
        seconds=last.seconds,
    )


def _state(task: TaskTable, grades: Sequence[GradeTable]) -> State:
    if task.stage in WAITING:
        return "running" if _held(task.owner, task.lease_until, time.time()) else "waiting"
    if task.stage == "dead" or not grades:
        return "failed"
    last = grades[-1]
    return "failed" if last.verdict == "not_judged" and last.cause not in ("", "student") else "graded"


def _held(owner: str, lease_until: float, now: float) -> bool:
    return owner != "" and lease_until >= now
