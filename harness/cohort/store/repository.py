"""Write to a store: assignments, submissions, what is to be graded, what is to be graded again."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Update, select
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from harness.assignment.points import SHORT
from harness.assignment.spec import AssignmentSpec, parse_assignment
from harness.base.errors import UsageError
from harness.base.tables import content_hash
from harness.cohort.platforms.names import Identity
from harness.cohort.store.current_assignment import as_current, current_assignment, current_sha256
from harness.cohort.store.keys import GradingConfig, digest
from harness.cohort.store.models import Reason, Stage, cause_of
from harness.cohort.store.schema import (
    AssignmentTable,
    GradeTable,
    LinkTable,
    RunTable,
    SubmissionTable,
    TaskTable,
)
from harness.cohort.store.store import EMPTY, Store
from harness.cohort.store.stored_class_list import enter_identity
from harness.datasets.dataset import PREVIEW
from harness.record.record import Record, to_json


@dataclass(frozen=True)
class Ingested:
    """One submission, its sources already in the store's folder."""

    student: str
    source: str
    submitted_at: datetime | None
    sources_sha256: str
    file: str
    """The one file that was handed in, "" for a folder."""
    recipe_sha256: str
    problem: str = ""
    problem_cause: str = ""
    identity: Identity | None = None


def enter_assignment(store: Store, assignment: AssignmentSpec) -> str:
    """Store an assignment as it is; the first one is the one that counts. Return its hash."""
    sha256 = content_hash(assignment)

    def enter(session: Session) -> None:
        if session.get(AssignmentTable, sha256) is None:
            content = assignment.model_dump_json(by_alias=True)
            session.add(AssignmentTable(sha256=sha256, name=assignment.id, content=content))
            session.flush()
        if current_sha256(session) is None:
            session.add(as_current(sha256))

    store.write(enter)
    return sha256


def enter_config(store: Store, config: GradingConfig) -> None:
    """Store the settings that all tasks of one run have in common."""
    enter_assignment(store, config.assignment)

    def enter_once(session: Session) -> None:
        if session.get(RunTable, config.run_key) is None:
            content = json.dumps(config.content)
            session.add(
                RunTable(sha256=config.run_key, assignment_sha256=config.assignment_sha256, content=content)
            )

    store.write(enter_once)


def current_spec(store: Store) -> AssignmentSpec | None:
    """Return the assignment that counts; None in a store where nothing was entered."""
    with store.reading() as session:
        found = current_sha256(session)
    return None if found is None else assignment_of(store, found)


def current_config(store: Store) -> GradingConfig:
    """Return the settings of the last submission under the current assignment.

    Raises:
        UsageError: nothing has been handed in.
    """
    requested = current_assignment(store)
    with store.reading() as session:
        found = session.scalar(
            select(RunTable)
            .join(TaskTable, TaskTable.run_key == RunTable.sha256)
            .join(LinkTable, LinkTable.key == TaskTable.key)
            .where(TaskTable.assignment_sha256 == requested)
            .order_by(LinkTable.id.desc())
            .limit(1)
        )
    if found is None:
        raise UsageError(EMPTY)
    content = json.loads(found.content)
    return GradingConfig(
        assignment=assignment_of(store, found.assignment_sha256),
        seed=content["seed"],
        preview=content["data"] == PREVIEW,
        variants=tuple(content["variants"]),
        harness_version=content["harness"],
    )


def assignment_of(store: Store, sha256: str) -> AssignmentSpec:
    """Return an assignment that was graded under.

    Raises:
        UsageError: the store has no such assignment.
    """
    with store.reading() as session:
        found = session.get(AssignmentTable, sha256)
        known = (
            ""
            if found
            else ", ".join(
                f"{one.name} {one.sha256[:SHORT]}" for one in session.scalars(select(AssignmentTable))
            )
        )
    if found is None:
        raise UsageError(
            f"assignment {sha256[:SHORT]}: not in this store; expected one that was graded under ({known})."
        )
    return parse_assignment(json.loads(found.content), found.name)


def enter(store: Store, one: Ingested, config: GradingConfig) -> str:
    """Enter a submission and that it is to be graded, unless both are there; returns the key of its grade."""
    key = config.key(one.sources_sha256, one.recipe_sha256)

    def enter_once(session: Session) -> None:
        submission = _submission(session, one)
        if one.identity is not None:
            enter_identity(session, one.student, one.identity)
        if session.get(TaskTable, key) is None:
            session.add(_task(key, submission.id, one.recipe_sha256, config, "rules"))
            session.flush()
        _link(session, submission.id, key)

    store.write(enter_once)
    return key


def enter_regraded(
    store: Store,
    old_key: str,
    config: GradingConfig,
    recipe_sha256: str,
    record: Record,
    folder_sha256: str,
    worker: str,
) -> str:
    """Store what a grade becomes under other settings, judged again from what is stored; return its key.

    Every submission that the old key grades is graded by the new one from now on. What is there already
    under the new key stays, and nothing is entered twice.
    """
    enter_config(store, config)

    def enter_once(session: Session) -> str:
        old = session.get(TaskTable, old_key)
        if old is None:
            raise UsageError(f"key {old_key}: not in this store; expected one that was graded.")
        submission = session.get_one(SubmissionTable, old.submission_id)
        key = config.key(submission.sources_sha256, recipe_sha256)
        trained = any(variant.full for variant in record.variants.values())
        over = "trained" if trained else "judged"
        task = session.get(TaskTable, key)
        if task is None:
            session.add(task := _task(key, submission.id, recipe_sha256, config, over))
            session.flush()
        is_new = session.scalar(select(GradeTable.id).where(GradeTable.key == key).limit(1)) is None
        if is_new and task.owner == "":
            task.stage = over
            stage: Stage = "full" if trained else "rules"
            session.add(
                grade_row(key, task.generation, stage, "rejudged", record, folder_sha256, worker, 0.0)
            )
        _link_all(session, old_key, key)
        return key

    return store.write(enter_once)


def link_again(store: Store, old_key: str, key: str) -> None:
    """Link every submission that one key grades to another key from now on."""

    def enter_once(session: Session) -> None:
        _link_all(session, old_key, key)

    store.write(enter_once)


def grade_row(
    key: str,
    generation: int,
    stage: Stage,
    reason: Reason,
    record: Record,
    folder_sha256: str,
    worker: str,
    seconds: float,
) -> GradeTable:
    """Make the entry of a grade that is given now."""
    return GradeTable(
        key=key,
        generation=generation,
        stage=stage,
        reason=reason,
        verdict=record.verdict,
        points=record.points,
        max_points=record.max_points,
        cause=cause_of(record) or "",
        record=to_json(record),
        folder_sha256=folder_sha256,
        graded_at=datetime.now(UTC),
        worker=worker,
        seconds=seconds,
    )


def changed(session: Session, statement: Update) -> int:
    """Run an UPDATE; returns how many rows it has changed."""
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount


# Private functions


def _submission(session: Session, one: Ingested) -> SubmissionTable:
    instant = one.submitted_at.astimezone(UTC).isoformat() if one.submitted_at else ""
    identity = digest([one.student, one.sources_sha256, instant])
    found = session.scalar(select(SubmissionTable).where(SubmissionTable.identity == identity))
    if found is None:
        found = SubmissionTable(
            identity=identity,
            student=one.student,
            source=one.source,
            submitted_at=one.submitted_at,
            sources_sha256=one.sources_sha256,
            file=one.file,
            problem=one.problem,
            problem_cause=one.problem_cause,
        )
        session.add(found)
        session.flush()
    return found


def _task(key: str, submission_id: int, recipe_sha256: str, config: GradingConfig, stage: str) -> TaskTable:
    return TaskTable(
        key=key,
        submission_id=submission_id,
        assignment_sha256=config.assignment_sha256,
        run_key=config.run_key,
        recipe_sha256=recipe_sha256,
        seed=config.seed,
        harness_version=config.harness_version,
        stage=stage,
        priority=0.0,
        generation=0,
        attempts=0,
        owner="",
        lease_until=0.0,
        problem="",
    )


def _link_all(session: Session, old_key: str, key: str) -> None:
    graded_by_old = select(LinkTable.submission_id).where(LinkTable.key == old_key).distinct()
    for submission_id in session.scalars(graded_by_old).all():
        _link(session, submission_id, key)


def _link(session: Session, submission_id: int, key: str) -> None:
    """Link a submission to a key, which grades it from now on."""
    last = session.scalar(
        select(LinkTable.key)
        .where(LinkTable.submission_id == submission_id)
        .order_by(LinkTable.id.desc())
        .limit(1)
    )
    if last != key:
        session.add(LinkTable(submission_id=submission_id, key=key))
