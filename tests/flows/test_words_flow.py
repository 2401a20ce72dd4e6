"""A pipeline that Rigline knows nothing of runs as a flow, waits for a person, and resumes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.audit_report_flow import audit_report
from flows.maintenance_flow import maintenance
from flows.review_resume_flow import review_resume
from rigline.bootstrap import open_services, pipeline_named
from rigline.db.outbox import Message
from rigline.db.reviewing import record_decision
from rigline.engine.job import Job
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage_run import StageRun
from rigline.jobs.cancellation import cancel
from rigline.jobs.preview import parsed_corrections
from rigline.jobs.results import results_of
from rigline.jobs.submission import submit
from rigline.review import queue
from rigline.review.decision import Approval, Corrections, Decision
from rigline.review.ticket import UNDO_WINDOW
from tasks import maintenance_tasks, stage_tasks
from tasks.services import opened_ledger
from tests.support.tickets import ANN, LEASE
from tests.support.words import POLICY
from tests.support.words_flow import words

pytestmark = pytest.mark.server
FOUR = ["one", "two", "three", "four"]


@pytest.fixture(autouse=True)
def _installation(
    server_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.setenv("RIGLINE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("RIGLINE_DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setenv("RIGLINE_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("RIGLINE_PIPELINES", "tests.support.words:WORDS")
    (tmp_path / "policy.toml").write_text(POLICY)
    with temporary_settings({PREFECT_API_URL: server_env["PREFECT_API_URL"]}):
        yield


def doubted(text: str = "one two three") -> Job:
    """A job of a text that has too few words, submitted and run as a flow."""
    services = open_services()
    with opened_ledger() as ledger:
        job = submit(
            ledger, services, text.encode(), "text.txt", creator="carol",
            now=datetime.now(UTC), pipeline=pipeline_named(services, "words"),
        )  # fmt: skip
        assert words(job.id) == "in_review"
        return job


def test_a_job_that_is_cancelled_meanwhile_ends_its_flow_run_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services, run_stage = open_services(), stage_tasks.run_corrected
    with opened_ledger() as ledger:
        job = submit(
            ledger, services, b"one two", "text.txt", creator="carol", now=datetime.now(UTC),
            pipeline=pipeline_named(services, "words"),
        )  # fmt: skip

        def somebody_cancels(pipeline: Pipeline, stage: str, *rest: Any) -> StageRun:
            if stage == "split":
                cancel(ledger, job.id, "carol", datetime.now(UTC))
            return run_stage(pipeline, stage, *rest)

        monkeypatch.setattr(stage_tasks, "run_corrected", somebody_cancels)
        assert words(job.id) == "cancelled"
        with ledger.reading() as work:
            assert work.jobs.get(job.id).error == "Cancelled by carol."
            assert "split" not in [run.stage for run in work.jobs.runs(job.id)]


def decided(job: Job, decision: Decision, decision_id: str) -> None:
    """Ann decided about the job so long ago that it can no longer be undone."""
    then = datetime.now(UTC) - UNDO_WINDOW - timedelta(seconds=1)
    with opened_ledger() as ledger, ledger.transaction() as work:
        (found,) = work.tickets.find(job_id=job.id)
        ticket = queue.claim(work.tickets, found.id, ANN, then, LEASE)
        record_decision(
            work, ticket.id, ANN, ticket.fencing_token, then,
            decision_id=decision_id, decision=decision,
        )  # fmt: skip


def correction(job: Job) -> Decision:
    with opened_ledger() as ledger:
        with ledger.reading() as work:
            outputs = {run.stage: run.sha256 for run in work.jobs.runs(job.id)}
        document = {
            "schema_version": 1, "stage": "split", "base_artifact_sha256": outputs["split"],
            "ops": [{"op": "set_output", "value": FOUR}],
        }  # fmt: skip
        return Corrections(parsed_corrections(ledger, open_services(), job.id, [document]))


def test_corrected_it_resumes_from_there_and_a_second_delivery_changes_nothing() -> None:
    job = doubted()
    decided(job, correction(job), "d1")
    expected = {"job": job.id, "state": "published"}
    assert review_resume("d1") == expected
    with opened_ledger() as ledger:
        with ledger.reading() as work:
            stages = [run.stage for run in work.jobs.runs(job.id)]
        assert stages == ["read", "split", "count", "split", "count"]
        assert results_of(ledger, open_services(), job.id).value("count") == 4
        assert review_resume("d1") == expected
        with ledger.reading() as work:
            assert len(work.jobs.runs(job.id)) == len(stages)
    with get_client(sync_client=True) as client:
        keys = [a.key for a in client.read_artifacts()]
    assert f"job-{job.id}" in keys


def test_maintenance_publishes_what_was_approved_and_sends_what_was_corrected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[Message] = []
    monkeypatch.setattr(maintenance_tasks, "emit", sent.append)
    approved, corrected = doubted("one"), doubted("two")
    decided(approved, Approval(), "d1")
    decided(corrected, correction(corrected), "d2")
    assert maintenance(minutes=0) == {"rounds": 1, "ended": 1, "sent": 1}
    assert maintenance(minutes=0.001, every_s=0.01)["sent"] == 0
    assert [m.payload for m in sent] == [{"decision_id": "d2", "job_id": corrected.id}]
    with opened_ledger() as ledger, ledger.reading() as work:
        assert work.jobs.get(approved.id).state == "published"


def test_the_audit_report_is_an_artifact() -> None:
    doubted()
    text = audit_report()
    assert "| backlog | 1 |" in text
    assert "| count | 1 |" in text
    with get_client(sync_client=True) as client:
        assert any(a.key == "audit-report" and a.data == text for a in client.read_artifacts())
