"""Tickets know when their priority rises."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WAITS = sa.text("state IN ('open', 'escalated')")


def upgrade() -> None:
    op.add_column("tickets", sa.Column("overdue_at", sa.DateTime(timezone=True), nullable=True))
    # Tickets of before are overdue at once, and from then on like all others.
    op.execute("UPDATE tickets SET overdue_at = created_at WHERE state <> 'closed'")
    op.create_index(
        "ix_tickets_overdue", "tickets", ["overdue_at"],
        sqlite_where=WAITS, postgresql_where=WAITS,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_tickets_overdue", "tickets")
    with op.batch_alter_table("tickets") as table:
        table.drop_column("overdue_at")
