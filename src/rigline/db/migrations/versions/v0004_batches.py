"""Batches, their items, and the items that were given up."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "batches",
        _column("id"), _column("source"), _column("dest"), _column("pipeline"),
        _column("pipeline_version", sa.Integer()), _column("creator"),
        _column("created_at", MOMENT), _column("updated_at", MOMENT), _column("params", JSON),
        _column("patterns", JSON), _column("item_limit", sa.Integer(), nullable=True),
        _column("limits", JSON), _column("state"), _column("token", sa.Integer()),
        _column("said"),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
    )  # fmt: skip
    op.create_index("ix_batches_created_at", "batches", ["created_at"])
    op.create_table(
        "batch_items",
        _column("batch_id"), _column("number", sa.Integer()), _column("locator"), _column("name"),
        _column("state"), _column("attempts", sa.Integer()),
        _column("asset_sha256", nullable=True), _column("job_id", nullable=True),
        _column("seconds", sa.Float()),
        sa.PrimaryKeyConstraint("batch_id", "number", name="pk_batch_items"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name="fk_batch_items_batch_id"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_batch_items_job_id"),
    )  # fmt: skip
    op.create_index("uq_batch_items_locator", "batch_items", ["batch_id", "locator"], unique=True)
    op.create_index("ix_batch_items_batch_id_state", "batch_items", ["batch_id", "state"])
    op.create_index("ix_batch_items_job_id", "batch_items", ["job_id"])
    op.create_table(
        "dead_letters",
        _column("id", SERIAL), _column("batch_id"), _column("number", sa.Integer()),
        _column("locator"), _column("kind"), _column("stage"), _column("error"),
        _column("attempts", sa.Integer()), _column("created_at", MOMENT),
        _column("job_id", nullable=True), _column("asset_sha256", nullable=True),
        _column("replayed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name="fk_dead_letters_batch_id"),
    )  # fmt: skip
    op.create_index("ix_dead_letters_batch_id_number", "dead_letters", ["batch_id", "number"])


def downgrade() -> None:
    for table in ("dead_letters", "batch_items", "batches"):
        op.drop_table(table)


def _column(name: str, kind: Any = None, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind or sa.String(), nullable=nullable)
