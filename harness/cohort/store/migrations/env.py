"""Run by Alembic, inside the transaction that `harness.cohort.store.store` has begun."""

from alembic import context

from harness.cohort.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
context.run_migrations()
