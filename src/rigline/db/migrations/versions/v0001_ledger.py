"""The ledger: assets, jobs, stage runs, tickets, decisions, policies, audit and outbox."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "assets", "policies", "jobs", "stage_runs", "tickets", "ticket_skips", "decisions",
    "corrections", "audit_entries", "outbox",
)  # fmt: skip
NEVER_CHANGED = ("audit_entries", "policies")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_jobs()
    _create_tickets()
    _create_decisions()
    _create_audit_and_outbox()
    for table in NEVER_CHANGED:
        _refuse_changes(table)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for table in NEVER_CHANGED:
            op.execute(f"DROP FUNCTION refuse_change_of_{table}()")


def _column(name: str, kind: Any = None, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind or sa.String(), nullable=nullable)


def _create_jobs() -> None:
    op.create_table(
        "assets",
        _column("sha256"), _column("name"), _column("bytes", sa.BigInteger()),
        _column("created_at", MOMENT),
        sa.PrimaryKeyConstraint("sha256", name="pk_assets"),
    )  # fmt: skip
    op.create_table(
        "policies",
        _column("name"), _column("version", sa.Integer()), _column("document", JSON),
        _column("created_at", MOMENT),
        sa.PrimaryKeyConstraint("name", "version", name="pk_policies"),
    )  # fmt: skip
    op.create_table(
        "jobs",
        _column("id"), _column("pipeline"), _column("pipeline_version", sa.Integer()),
        _column("asset_sha256"), _column("params", JSON), _column("creator"),
        _column("batch", nullable=True), _column("priority", sa.Integer()), _column("state"),
        _column("policy_name", nullable=True),
        _column("policy_version", sa.Integer(), nullable=True),
        _column("confidence", sa.Float(), nullable=True), _column("verdict", nullable=True),
        _column("error"), _column("created_at", MOMENT), _column("updated_at", MOMENT),
        _column("version", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.ForeignKeyConstraint(["asset_sha256"], ["assets.sha256"], name="fk_jobs_asset_sha256"),
        sa.ForeignKeyConstraint(
            ["policy_name", "policy_version"], ["policies.name", "policies.version"],
            name="fk_jobs_policy_name_policy_version",
        ),
    )  # fmt: skip
    for columns in (["asset_sha256"], ["batch"], ["created_at", "id"], ["state", "created_at"]):
        op.create_index(f"ix_jobs_{'_'.join(columns)}", "jobs", columns)
    op.create_table(
        "stage_runs",
        _column("id", SERIAL), _column("job_id"), _column("stage"), _column("key"),
        _column("output_sha256"), _column("models", JSON), _column("evidence", JSON),
        _column("seconds", sa.Float()), _column("reused", sa.Boolean()),
        _column("created_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_stage_runs"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_stage_runs_job_id"),
    )  # fmt: skip
    op.create_index("ix_stage_runs_job_id", "stage_runs", ["job_id"])


def _create_tickets() -> None:
    op.create_table(
        "tickets",
        _column("id"), _column("job_id"), _column("created_at", MOMENT), _column("flagged", JSON),
        _column("reasons", JSON), _column("priority", sa.Integer()), _column("state"),
        _column("claimed_by", nullable=True), _column("lease_expires_at", MOMENT, nullable=True),
        _column("fencing_token", sa.Integer()), _column("preferred_reviewer", nullable=True),
        _column("preferred_until", MOMENT, nullable=True),
        _column("held_until", MOMENT, nullable=True), _column("hold_reason"),
        _column("escalated_by", nullable=True), _column("escalation_reason"),
        _column("decision", nullable=True), _column("decision_id", nullable=True),
        _column("decided_by", nullable=True), _column("decided_at", MOMENT, nullable=True),
        _column("due_at", MOMENT, nullable=True), _column("version", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name="pk_tickets"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_tickets_job_id"),
    )  # fmt: skip
    not_closed = sa.text("state <> 'closed'")
    op.create_index(
        "uq_tickets_one_not_closed_per_job", "tickets", ["job_id"], unique=True,
        sqlite_where=not_closed, postgresql_where=not_closed,
    )  # fmt: skip
    op.create_index(
        "ix_tickets_claimable", "tickets", ["state", sa.text("priority DESC"), "created_at", "id"]
    )
    op.create_index("ix_tickets_preferred", "tickets", ["preferred_reviewer", "state"])
    op.create_index("ix_tickets_job_id", "tickets", ["job_id"])
    op.create_index("ix_tickets_due_at", "tickets", ["due_at"])
    op.create_table(
        "ticket_skips",
        _column("ticket_id"), _column("reviewer"),
        sa.PrimaryKeyConstraint("ticket_id", "reviewer", name="pk_ticket_skips"),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_ticket_skips_ticket_id"),
    )  # fmt: skip


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        _column("id"), _column("ticket_id"), _column("job_id"), _column("kind"),
        _column("code", nullable=True), _column("note"), _column("decided_by"),
        _column("decided_at", MOMENT), _column("undone_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_decisions_job_id"),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_decisions_ticket_id"),
    )  # fmt: skip
    op.create_index("ix_decisions_job_id", "decisions", ["job_id"])
    op.create_index("ix_decisions_ticket_id", "decisions", ["ticket_id"])
    op.create_table(
        "corrections",
        _column("decision_id"), _column("stage"), _column("document", JSON),
        _column("artifact_sha256", nullable=True),
        sa.PrimaryKeyConstraint("decision_id", "stage", name="pk_corrections"),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name="fk_corrections_decision_id"
        ),
    )  # fmt: skip


def _create_audit_and_outbox() -> None:
    op.create_table(
        "audit_entries",
        _column("id", SERIAL), _column("ticket_id"), _column("job_id"),
        _column("version", sa.Integer()), _column("at", MOMENT), _column("actor"),
        _column("role"), _column("action"), _column("from_state"), _column("to_state"),
        _column("fencing_token", sa.Integer()), _column("details", JSON),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
    )  # fmt: skip
    op.create_index("ix_audit_entries_at", "audit_entries", ["at"])
    op.create_index("ix_audit_entries_job_id", "audit_entries", ["job_id"])
    op.create_index(
        "uq_audit_entries_ticket", "audit_entries", ["ticket_id", "version"], unique=True
    )
    op.create_table(
        "outbox",
        _column("id"), _column("kind"), _column("payload", JSON), _column("due_at", MOMENT),
        _column("sent_at", MOMENT, nullable=True), _column("attempts", sa.Integer()),
        _column("acknowledged_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )  # fmt: skip
    pending = sa.text("acknowledged_at IS NULL")
    op.create_index(
        "ix_outbox_unacknowledged", "outbox", ["due_at"],
        sqlite_where=pending, postgresql_where=pending,
    )  # fmt: skip


def _refuse_changes(table: str) -> None:
    """Triggers by which the database itself keeps what was written."""
    said = f"what is in {table} is never changed"
    if op.get_bind().dialect.name == "postgresql":
        function = f"refuse_change_of_{table}"
        op.execute(
            f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"RAISE EXCEPTION '{said}' USING ERRCODE = 'restrict_violation'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_never_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
        )
