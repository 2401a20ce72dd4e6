"""Files of watched places that have become jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "intakes",
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("locator", sa.String(), nullable=False),
        sa.Column("stamp", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("place", "locator", name="pk_intakes"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_intakes_job_id"),
    )
    op.create_index("ix_intakes_job_id", "intakes", ["job_id"])


def downgrade() -> None:
    op.drop_table("intakes")
