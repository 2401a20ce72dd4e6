"""The tables. Rows stay in this room: repositories turn them into the values of the other rooms."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    text,
)
from sqlmodel import Field, SQLModel

from rigline.db.columns import Json, UtcDateTime

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
METADATA: Final = MetaData(naming_convention=NAMING)


_WAITS: Final = "state IN ('open', 'escalated')"


class Row(SQLModel):
    """Base of all tables."""

    metadata = METADATA


def _moment(**options: Any) -> Any:
    return Field(sa_type=UtcDateTime, **options)


def _json(**options: Any) -> Any:
    return Field(sa_type=Json, **options)


def _serial() -> Any:
    kind: Any = BigInteger().with_variant(Integer(), "sqlite")  # which counts in no other type
    return Field(default=None, primary_key=True, sa_type=kind)


class AssetRow(Row, table=True):
    """An uploaded file."""

    __tablename__ = "assets"

    sha256: str = Field(primary_key=True)
    name: str
    bytes: int = Field(sa_type=BigInteger)
    created_at: datetime = _moment()


class PolicyRow(Row, table=True):
    """One version of a policy; triggers refuse to change or delete it."""

    __tablename__ = "policies"

    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    document: dict[str, Any] = _json()
    created_at: datetime = _moment()


class JobRow(Row, table=True):
    """One pipeline over one asset."""

    __tablename__ = "jobs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["policy_name", "policy_version"], ["policies.name", "policies.version"]
        ),
        Index(None, "created_at", "id"),
        Index(None, "state", "created_at"),
    )

    id: str = Field(primary_key=True)
    pipeline: str
    pipeline_version: int
    asset_sha256: str = Field(foreign_key="assets.sha256", index=True)
    params: dict[str, Any] = _json()
    creator: str
    batch: str | None = Field(default=None, index=True)
    priority: int = 0
    state: str
    policy_name: str | None = None
    policy_version: int | None = None
    confidence: float | None = None
    verdict: str | None = None
    error: str = ""
    created_at: datetime = _moment()
    updated_at: datetime = _moment()
    version: int = 0


class StageRunRow(Row, table=True):
    """A stage that ran for a job, or whose output was found; the order of ids is that of time."""

    __tablename__ = "stage_runs"

    id: int | None = _serial()
    job_id: str = Field(foreign_key="jobs.id", index=True)
    stage: str
    key: str
    output_sha256: str
    models: dict[str, str] = _json()
    evidence: dict[str, Any] = _json()
    seconds: float
    reused: bool
    created_at: datetime = _moment()


class TicketRow(Row, table=True):
    """A job's visit to the review queue. ``due_at`` is when the clock alone moves it on."""

    __tablename__ = "tickets"
    __table_args__ = (
        Index(
            "uq_tickets_one_not_closed_per_job", "job_id", unique=True,
            sqlite_where=text("state <> 'closed'"), postgresql_where=text("state <> 'closed'"),
        ),
        Index("ix_tickets_claimable", "state", text("priority DESC"), "created_at", "id"),
        Index("ix_tickets_preferred", "preferred_reviewer", "state"),
        Index(
            "ix_tickets_overdue", "overdue_at",
            sqlite_where=text(_WAITS), postgresql_where=text(_WAITS),
        ),
    )  # fmt: skip

    id: str = Field(primary_key=True)
    job_id: str = Field(foreign_key="jobs.id", index=True)
    created_at: datetime = _moment()
    flagged: list[str] = _json()
    reasons: list[str] = _json()
    priority: int
    state: str
    claimed_by: str | None = None
    lease_expires_at: datetime | None = _moment(default=None)
    fencing_token: int
    preferred_reviewer: str | None = None
    preferred_until: datetime | None = _moment(default=None)
    held_until: datetime | None = _moment(default=None)
    hold_reason: str
    escalated_by: str | None = None
    escalation_reason: str
    decision: str | None = None
    decision_id: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = _moment(default=None)
    due_at: datetime | None = _moment(default=None, index=True)
    version: int
    overdue_at: datetime | None = _moment(default=None)


class TicketSkipRow(Row, table=True):
    """Somebody who skipped a ticket, and is not offered it again."""

    __tablename__ = "ticket_skips"

    ticket_id: str = Field(primary_key=True, foreign_key="tickets.id")
    reviewer: str = Field(primary_key=True)


class DecisionRow(Row, table=True):
    """A decision about a ticket; out of force once it is undone."""

    __tablename__ = "decisions"

    id: str = Field(primary_key=True)
    ticket_id: str = Field(foreign_key="tickets.id", index=True)
    job_id: str = Field(foreign_key="jobs.id", index=True)
    kind: str
    code: str | None = None
    note: str
    decided_by: str
    decided_at: datetime = _moment()
    undone_at: datetime | None = _moment(default=None)


class CorrectionRow(Row, table=True):
    """What a decision changed in one stage; ``artifact_sha256`` is what came of it, once known."""

    __tablename__ = "corrections"

    decision_id: str = Field(primary_key=True, foreign_key="decisions.id")
    stage: str = Field(primary_key=True)
    document: dict[str, Any] = _json()
    artifact_sha256: str | None = None


class AuditEntryRow(Row, table=True):
    """What happened to a ticket. It outlives what it is about, so nothing is referenced."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("uq_audit_entries_ticket", "ticket_id", "version", unique=True),)

    id: int | None = _serial()
    ticket_id: str
    job_id: str = Field(index=True)
    version: int
    at: datetime = _moment(index=True)
    actor: str
    role: str
    action: str
    from_state: str
    to_state: str
    fencing_token: int
    details: dict[str, str] = _json()


class RoleGrantRow(Row, table=True):
    """A role given to a person; what is over stays for the record."""

    __tablename__ = "role_grants"

    id: int | None = _serial()
    person: str = Field(index=True)
    role: str
    granted_by: str
    granted_at: datetime = _moment()
    expires_at: datetime | None = _moment(default=None)
    revoked_at: datetime | None = _moment(default=None)


class OutboxRow(Row, table=True):
    """A message to send from ``due_at`` on, again and again until it is acknowledged."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_unacknowledged", "due_at",
            sqlite_where=text("acknowledged_at IS NULL"),
            postgresql_where=text("acknowledged_at IS NULL"),
        ),
    )  # fmt: skip

    id: str = Field(primary_key=True)
    kind: str
    payload: dict[str, Any] = _json()
    due_at: datetime = _moment()
    sent_at: datetime | None = _moment(default=None)
    attempts: int = 0
    acknowledged_at: datetime | None = _moment(default=None)


class BatchRow(Row, table=True):
    """Many jobs of one pipeline; ``token`` is that of the driver that has it."""

    __tablename__ = "batches"

    id: str = Field(primary_key=True)
    source: str
    dest: str
    pipeline: str
    pipeline_version: int
    creator: str
    created_at: datetime = _moment(index=True)
    updated_at: datetime = _moment()
    params: dict[str, Any] = _json()
    patterns: list[str] = _json()
    item_limit: int | None = None
    limits: dict[str, Any] = _json()
    state: str
    token: int
    said: str


class BatchItemRow(Row, table=True):
    """One entry of a batch's source; ``attempts`` are counted before each begins."""

    __tablename__ = "batch_items"
    __table_args__ = (
        Index("uq_batch_items_locator", "batch_id", "locator", unique=True),
        Index(None, "batch_id", "state"),
    )

    batch_id: str = Field(primary_key=True, foreign_key="batches.id")
    number: int = Field(primary_key=True)
    locator: str
    name: str
    state: str
    attempts: int
    asset_sha256: str | None = None
    job_id: str | None = Field(default=None, foreign_key="jobs.id", index=True)
    seconds: float


class DeadLetterRow(Row, table=True):
    """An item that was given up; ``replayed_at`` is when somebody took it back."""

    __tablename__ = "dead_letters"
    __table_args__ = (Index(None, "batch_id", "number"),)

    id: int | None = _serial()
    batch_id: str = Field(foreign_key="batches.id")
    number: int
    locator: str
    kind: str
    stage: str
    error: str
    attempts: int
    created_at: datetime = _moment()
    job_id: str | None = None
    asset_sha256: str | None = None
    replayed_at: datetime | None = _moment(default=None)


class IntakeRow(Row, table=True):
    """A file of a watched place that has become a job; again when its ``stamp`` is another."""

    __tablename__ = "intakes"

    place: str = Field(primary_key=True)
    locator: str = Field(primary_key=True)
    stamp: str
    job_id: str = Field(foreign_key="jobs.id", index=True)
    seen_at: datetime = _moment()


def _table(row: type[Row]) -> Table:
    return METADATA.tables[str(row.__tablename__)]


ASSETS: Final = _table(AssetRow)
POLICIES: Final = _table(PolicyRow)
JOBS: Final = _table(JobRow)
STAGE_RUNS: Final = _table(StageRunRow)
TICKETS: Final = _table(TicketRow)
TICKET_SKIPS: Final = _table(TicketSkipRow)
DECISIONS: Final = _table(DecisionRow)
CORRECTIONS: Final = _table(CorrectionRow)
AUDIT_ENTRIES: Final = _table(AuditEntryRow)
OUTBOX: Final = _table(OutboxRow)
ROLE_GRANTS: Final = _table(RoleGrantRow)
BATCHES: Final = _table(BatchRow)
BATCH_ITEMS: Final = _table(BatchItemRow)
DEAD_LETTERS: Final = _table(DeadLetterRow)
INTAKES: Final = _table(IntakeRow)
