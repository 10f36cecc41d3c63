"""Leases: tasks are claimed for a while, and released, finished or left to expire.

A claim is an UPDATE that names the state it expects, in a short transaction: of two graders one changes a
row, the other none. So it is on SQLite and on PostgreSQL alike.
"""

import getpass
import os
import platform
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from harness.base.errors import HarnessError
from harness.cohort.store.models import Stage
from harness.cohort.store.repository import changed, grade_row
from harness.cohort.store.schema import SubmissionTable, TaskTable
from harness.cohort.store.store import Store
from harness.record.record import Record

LEASE_S = 60.0
"""How long a claim lasts unless it is renewed; a grader that is alive renews it four times as often."""
MOST_ATTEMPTS = 5
"""Graders that may die at one task before it is given up."""
SUSPECT = 2
"""Dead graders from which on a task is claimed alone, so that it takes no other with it."""
NEXT = {"rules": "judged", "training": "trained"}
GIVEN: dict[str, Stage] = {"rules": "rules", "training": "full"}
"""What the grade is called that ends a stage."""


@dataclass(frozen=True)
class Claimed:
    """One task that is ours until the lease ends."""

    key: str
    stage: str
    generation: int
    attempts: int
    assignment_sha256: str
    seed: int
    source: str
    sources_sha256: str
    file: str
    problem: str
    problem_cause: str


@dataclass(frozen=True)
class Outcome:
    """The result of a task: its record, and the hash of the folder with everything else."""

    record: Record
    folder_sha256: str
    seconds: float


def this_process() -> str:
    """Return a unique name of this process: ``user@host:pid`` and the namespace of that number."""
    return f"{getpass.getuser()}@{platform.node()}:{os.getpid()}/{_numbers()}/{uuid.uuid4().hex[:8]}"


def shown(owner: str) -> str:
    """Shorten an owner to ``user@host:pid``."""
    return owner.partition("/")[0]


def is_dead(owner: str) -> bool:
    """Return whether an owner was a process of this machine that is no more; of others nothing is known."""
    name, numbers, _ = f"{owner}//".split("/", 2)
    pid = name.rpartition(":")[2]
    return numbers == _numbers() and pid.isdigit() and not Path(f"/proc/{pid}").exists()


def claim(store: Store, run_key: str, stage: str, count: int, owner: str, lease_s: float) -> list[Claimed]:
    """Claim up to `count` tasks of a stage that nobody has claimed, the most promising first."""
    now = time.time()
    with store.writing() as session:
        requested = (
            select(TaskTable, SubmissionTable)
            .join(SubmissionTable, TaskTable.submission_id == SubmissionTable.id)
            .where(TaskTable.run_key == run_key, TaskTable.stage == stage, _is_free(now))
            .where(TaskTable.attempts < MOST_ATTEMPTS)
            .order_by(TaskTable.attempts, TaskTable.priority.desc(), TaskTable.key)
            .limit(count)
            .with_for_update(of=TaskTable, skip_locked=True)
        )
        claimed: list[Claimed] = []
        for task, submission in session.execute(requested):
            # Whoever had it and let the lease expire is as good as dead.
            attempts = task.attempts + int(task.owner != "")
            if attempts >= SUSPECT and claimed:
                break
            if _claim(session, task, owner, attempts, now + lease_s):
                claimed.append(_claimed(task, submission, attempts))
            if attempts >= SUSPECT:
                break
        return claimed


def renew(store: Store, owner: str, lease_s: float) -> None:
    """Extend all claims of an owner from now on."""
    with store.writing() as session:
        until = time.time() + lease_s
        session.execute(update(TaskTable).where(TaskTable.owner == owner).values(lease_until=until))


def release(store: Store, owner: str, *, died: bool) -> int:
    """Release all that an owner has claimed; `died` counts against the tasks. Return how many there were."""
    with store.writing() as session:
        given_back = (
            update(TaskTable)
            .where(TaskTable.owner == owner)
            .values(owner="", lease_until=0.0, attempts=TaskTable.attempts + int(died))
        )
        return changed(session, given_back)


def release_dead(store: Store) -> int:
    """Release what processes of this machine have claimed that are no more; return how many tasks."""
    with store.reading() as session:
        owners = session.scalars(select(TaskTable.owner).where(TaskTable.owner != "").distinct()).all()
    return sum(release(store, owner, died=True) for owner in owners if is_dead(owner))


def dead_letter(store: Store, run_key: str, problem: str) -> int:
    """Move tasks at which too many graders have died to the dead letters; return how many."""
    hopeless = and_(
        TaskTable.run_key == run_key,
        TaskTable.stage.in_(NEXT),
        TaskTable.attempts >= MOST_ATTEMPTS,
        _is_free(time.time()),
    )
    with store.writing() as session:
        return changed(session, update(TaskTable).where(hopeless).values(stage="dead", problem=problem))


def finish(store: Store, task: Claimed, owner: str, outcome: Outcome) -> bool:
    """Store the grade of a claimed task, once; False if it was no longer ours, and nothing is stored.

    Raises:
        HarnessError: the task is of no stage that ends with a grade.
    """
    if task.stage not in NEXT:
        raise HarnessError(f"task {task.key}: expected stage {' or '.join(NEXT)}, got {task.stage}.")
    with store.writing() as session:
        ended = (
            update(TaskTable)
            .where(TaskTable.key == task.key, TaskTable.owner == owner)
            .where(TaskTable.stage == task.stage, TaskTable.generation == task.generation)
            .values(stage=NEXT[task.stage], owner="", lease_until=0.0, attempts=0, problem="")
        )
        if not changed(session, ended):
            return False
        session.add(
            grade_row(
                task.key,
                task.generation,
                GIVEN[task.stage],
                "retried" if task.generation else "graded",
                outcome.record,
                outcome.folder_sha256,
                shown(owner),
                outcome.seconds,
            )
        )
    return True


# Private functions


def _is_free(now: float) -> ColumnElement[bool]:
    return or_(TaskTable.owner == "", TaskTable.lease_until < now)


def _claim(session: Session, task: TaskTable, owner: str, attempts: int, until: float) -> bool:
    """Claim one task, if it still is as it was seen."""
    taken = (
        update(TaskTable)
        .where(TaskTable.key == task.key, TaskTable.stage == task.stage)
        .where(TaskTable.owner == task.owner, TaskTable.lease_until == task.lease_until)
        .values(owner=owner, lease_until=until, attempts=attempts)
        .execution_options(synchronize_session=False)
    )
    return bool(changed(session, taken))


def _claimed(task: TaskTable, submission: SubmissionTable, attempts: int) -> Claimed:
    return Claimed(
        key=task.key,
        stage=task.stage,
        generation=task.generation,
        attempts=attempts,
        assignment_sha256=task.assignment_sha256,
        seed=task.seed,
        source=submission.source,
        sources_sha256=submission.sources_sha256,
        file=submission.file,
        problem=submission.problem,
        problem_cause=submission.problem_cause,
    )


def _numbers() -> str:
    """Return an id of what gives process numbers their meaning: the boot, and a namespace in it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"
