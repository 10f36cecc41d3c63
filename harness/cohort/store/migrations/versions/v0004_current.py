"""The assignment that a store is graded by now, and who may hand in later."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from harness.cohort.store.schema import Instant

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make their tables; what was graded by last is what a store is graded by now."""
    current = op.create_table(
        "current",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("assignment_sha256", sa.String(64), sa.ForeignKey("assignment.sha256"), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
    )
    op.create_table(
        "extension",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("student", sa.Text(), nullable=False, index=True),
        sa.Column("until", Instant()),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
    )
    last = sa.text(
        "SELECT work.assignment_sha256 FROM link JOIN work ON work.key = link.key "
        "ORDER BY link.id DESC LIMIT 1"
    )
    if (found := op.get_bind().scalar(last)) is not None:
        op.execute(sa.insert(current).values(assignment_sha256=found, since=datetime.now(UTC), by=""))
