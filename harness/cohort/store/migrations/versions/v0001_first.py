"""The first tables."""

import sqlalchemy as sa
from alembic import op

from harness.cohort.store.schema import Instant

revision = "0001"
down_revision = None
_SHA256 = sa.String(64)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "assignment",
        sa.Column("sha256", _SHA256, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
    )
    op.create_table(
        "scope",
        sa.Column("sha256", _SHA256, primary_key=True),
        sa.Column("assignment_sha256", _SHA256, sa.ForeignKey("assignment.sha256"), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
    )
    op.create_table(
        "submission",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("identity", _SHA256, nullable=False, unique=True),
        sa.Column("student", sa.Text(), nullable=False, index=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("submitted_at", Instant()),
        sa.Column("sources_sha256", _SHA256, nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("problem_cause", sa.String(16), nullable=False),
    )
    op.create_table(
        "work",
        sa.Column("key", _SHA256, primary_key=True),
        sa.Column("submission_id", sa.Integer(), sa.ForeignKey("submission.id"), nullable=False),
        sa.Column("assignment_sha256", _SHA256, sa.ForeignKey("assignment.sha256"), nullable=False),
        sa.Column("scope", _SHA256, nullable=False),
        sa.Column("recipe_sha256", _SHA256, nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("harness_version", sa.String(32), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("priority", sa.Float(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
    )
    op.create_index("work_claimed_by", "work", ["scope", "stage", "lease_until"])
    op.create_table(
        "link",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("submission_id", sa.Integer(), sa.ForeignKey("submission.id"), nullable=False, index=True),
        sa.Column("key", _SHA256, sa.ForeignKey("work.key"), nullable=False, index=True),
    )
    op.create_table(
        "grade",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("key", _SHA256, sa.ForeignKey("work.key"), nullable=False, index=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("max_points", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("folder_sha256", _SHA256, nullable=False),
        sa.Column("graded_at", Instant(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.UniqueConstraint("key", "generation", "stage", name="graded_once"),
    )
