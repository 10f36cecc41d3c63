"""The tables of a store. What they hold and why: docs/cohort.md. Changed only with a migration."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

SHA256 = String(64)


class Instant(TypeDecorator[datetime]):
    """An instant, in UTC on either side; SQLite has no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Write it as UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Read it as UTC."""
        if value is None:
            return None
        found: datetime = value
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables."""


class AssignmentTable(Base):
    """Every assignment that was graded under, as it was."""

    __tablename__ = "assignment"

    sha256: Mapped[str] = mapped_column(SHA256, primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    content: Mapped[str] = mapped_column(Text)


class CurrentTable(Base):
    """The assignment that counts since an instant; of several, the last. Only ever added to."""

    __tablename__ = "current"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    assignment_sha256: Mapped[str] = mapped_column(ForeignKey("assignment.sha256"))
    since: Mapped[datetime] = mapped_column(Instant)
    by: Mapped[str] = mapped_column(Text)


class ExtensionTable(Base):
    """Until when a student may hand in; of several, the last, and None takes it back. Only ever added to."""

    __tablename__ = "extension"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    student: Mapped[str] = mapped_column(Text, index=True)
    until: Mapped[datetime | None] = mapped_column(Instant)
    since: Mapped[datetime] = mapped_column(Instant)
    by: Mapped[str] = mapped_column(Text)


class RunTable(Base):
    """The settings that all tasks of a run have in common, see `harness.cohort.store.keys.GradingConfig`."""

    __tablename__ = "scope"

    sha256: Mapped[str] = mapped_column(SHA256, primary_key=True)
    assignment_sha256: Mapped[str] = mapped_column(ForeignKey("assignment.sha256"))
    content: Mapped[str] = mapped_column(Text)


class SubmissionTable(Base):
    """A student's submission, and its instant. Never changed."""

    __tablename__ = "submission"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    identity: Mapped[str] = mapped_column(SHA256, unique=True)
    """Hash of student, sources and instant: the same one handed in again is no second one."""
    student: Mapped[str] = mapped_column(Text, index=True)
    source: Mapped[str] = mapped_column(Text)
    submitted_at: Mapped[datetime | None] = mapped_column(Instant)
    sources_sha256: Mapped[str] = mapped_column(SHA256)
    """Names a folder of sources, see `harness.cohort.store.objects`."""
    file: Mapped[str] = mapped_column(Text)
    """The one file that was handed in, "" for a folder."""
    problem: Mapped[str] = mapped_column(Text)
    """Why it cannot be opened, "" where it can."""
    problem_cause: Mapped[str] = mapped_column(String(16))


class TaskTable(Base):
    """One task: a submission to grade, how far it is, and who has claimed it. Only its rows change."""

    __tablename__ = "work"
    __table_args__ = (Index("work_claimed_by", "scope", "stage", "lease_until"),)

    key: Mapped[str] = mapped_column(SHA256, primary_key=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"))
    """Any of the submissions with these sources."""
    assignment_sha256: Mapped[str] = mapped_column(ForeignKey("assignment.sha256"))
    run_key: Mapped[str] = mapped_column("scope", SHA256)
    """Names a `RunTable`."""
    recipe_sha256: Mapped[str] = mapped_column(SHA256)
    seed: Mapped[int] = mapped_column(Integer)
    harness_version: Mapped[str] = mapped_column(String(32))
    stage: Mapped[str] = mapped_column(String(16))
    """``rules``, ``judged``, ``training``, ``trained``, or ``dead`` where no grader survived it."""
    priority: Mapped[float] = mapped_column(Float)
    generation: Mapped[int] = mapped_column(Integer)
    """How often it was begun anew, on purpose: a retry."""
    attempts: Mapped[int] = mapped_column(Integer)
    """How often a grader died at it in this generation."""
    owner: Mapped[str] = mapped_column(Text)
    lease_until: Mapped[float] = mapped_column(Float)
    """Seconds since the epoch; 0: nobody is at it."""
    problem: Mapped[str] = mapped_column(Text)


class LinkTable(Base):
    """The task that grades a submission; of several, the last. Only ever added to."""

    __tablename__ = "link"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), index=True)
    key: Mapped[str] = mapped_column(ForeignKey("work.key"), index=True)


class GradeTable(Base):
    """Every grade that was given. Only ever added to."""

    __tablename__ = "grade"
    __table_args__ = (UniqueConstraint("key", "generation", "stage", name="graded_once"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    key: Mapped[str] = mapped_column(ForeignKey("work.key"), index=True)
    generation: Mapped[int] = mapped_column(Integer)
    stage: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(16))
    verdict: Mapped[str] = mapped_column(String(16))
    points: Mapped[int] = mapped_column(Integer)
    max_points: Mapped[int] = mapped_column(Integer)
    cause: Mapped[str] = mapped_column(String(16))
    record: Mapped[str] = mapped_column(Text)
    folder_sha256: Mapped[str] = mapped_column(SHA256)
    graded_at: Mapped[datetime] = mapped_column(Instant)
    worker: Mapped[str] = mapped_column(Text)
    seconds: Mapped[float] = mapped_column(Float)


class IdentityTable(Base):
    """A platform's statement on a student; of several, the last. Only ever added to."""

    __tablename__ = "identity"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    student: Mapped[str] = mapped_column(Text, index=True)
    content: Mapped[str] = mapped_column(Text)
    """JSON, see `harness.cohort.platforms.names`."""


class ClassListTable(Base):
    """The list of the class as a platform gave it; of several, the last. Only ever added to."""

    __tablename__ = "class_list"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[str] = mapped_column(Text)
    """JSON: all lines and where the heading is, see `harness.cohort.platforms.class_list`."""
    entered_at: Mapped[datetime] = mapped_column(Instant)
