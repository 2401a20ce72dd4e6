"""What Alembic runs: the revisions over the connection that ``rigline.db.migration`` hands in."""

from __future__ import annotations

from alembic import context

from rigline.db.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
