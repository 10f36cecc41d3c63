"""The list of the class, and what its platform says of each student."""

import sqlalchemy as sa
from alembic import op

from harness.cohort.store.schema import Instant

revision = "0003"
down_revision = "0001"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "identity",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("student", sa.Text(), nullable=False, index=True),
        sa.Column("content", sa.Text(), nullable=False),
    )
    op.create_table(
        "class_list",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("entered_at", Instant(), nullable=False),
    )
