"""Jobs, assets, stage runs and policies in the ledger."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from rigline.bootstrap import load_policy
from rigline.db.database import insert_once
from rigline.db.jobs import JobFilter
from rigline.db.ledger import Ledger
from rigline.db.tables import POLICIES
from rigline.engine.artifact_store import OutputRecord
from rigline.engine.job import JobAction, JobState, Judged
from rigline.engine.stage_run import StageRun
from rigline.errors import ContractViolation, InvalidInput, ReviewConflict
from tests.support.ledgers import ASSET, add_job
from tests.support.tickets import NOW, SECOND

POLICY = load_policy()
THREADS = 8


def test_a_job_comes_back_as_it_was(ledger: Ledger) -> None:
    judged = Judged(POLICY.name, POLICY.version, 0.25, "review")
    with ledger.transaction() as work:
        work.policies.add(POLICY, NOW)
        job = add_job(
            work, "j1", params={"ingest": {"limit": 1.5}}, batch="b1", priority=3, judged=judged
        )
    with ledger.reading() as work:
        assert work.jobs.get("j1") == job
        assert work.jobs.asset(ASSET.sha256) == ASSET


def test_times_come_back_in_utc_wherever_they_were_taken(ledger: Ledger) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-7)))
    with ledger.transaction() as work:
        add_job(work, "j1", created_at=elsewhere)
        found = work.jobs.get("j1").created_at
    assert (found, found.utcoffset()) == (NOW, timedelta(0))


def test_a_time_without_a_zone_is_our_fault(ledger: Ledger) -> None:
    with pytest.raises(ContractViolation, match="zone"), ledger.transaction() as work:
        add_job(work, "j1", created_at=NOW.replace(tzinfo=None))


def test_the_first_asset_of_a_sha256_stays(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        work.jobs.add_asset(ASSET)
        assert work.jobs.add_asset(replace(ASSET, name="copy.glb")) == ASSET


def test_what_is_not_there_is_the_callers_mistake(ledger: Ledger) -> None:
    with ledger.reading() as work:
        for ask in (work.jobs.get, work.jobs.asset):
            with pytest.raises(InvalidInput, match="nix"):
                ask("nix")
        with pytest.raises(InvalidInput, match="nix"):
            work.jobs.list(after="nix")
        with pytest.raises(InvalidInput, match="nix"):
            work.policies.get("nix", 1)


def test_an_id_is_used_once(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        add_job(work, "j1")
        with pytest.raises(ReviewConflict) as caught:
            add_job(work, "j1")
    assert caught.value.fields["conflict"] == "duplicate"


def test_a_job_moves_on_from_what_the_caller_knows(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        job = add_job(work, "j1")
        running = work.jobs.transition(job, JobAction.START, NOW + SECOND)
    with ledger.transaction() as work:
        assert work.jobs.get("j1") == running
        with pytest.raises(ReviewConflict) as caught:
            work.jobs.transition(job, JobAction.START, NOW)
        assert caught.value.fields["conflict"] == "stale_version"
        with pytest.raises(ReviewConflict) as caught:
            work.jobs.transition(running, JobAction.RESUME, NOW)
        assert caught.value.fields["conflict"] == "illegal_transition"


def test_of_racing_workers_exactly_one_starts_a_job(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        job = add_job(work, "j1")
    start = threading.Barrier(THREADS)

    def try_to_start(_: int) -> bool:
        start.wait()
        try:
            with ledger.transaction() as work:
                work.jobs.transition(job, JobAction.START, NOW)
        except ReviewConflict:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(try_to_start, range(THREADS))).count(True) == 1


def test_jobs_are_listed_by_page_and_filter(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        for number in range(7):
            add_job(
                work, f"j{number}", created_at=NOW + number // 2 * SECOND,
                batch="even" if number % 2 == 0 else None,
            )  # fmt: skip
        work.jobs.transition(work.jobs.get("j3"), JobAction.START, NOW)
    with ledger.reading() as work:
        pages, last = [], None
        while page := work.jobs.list(limit=3, after=last):
            pages.append([job.id for job in page])
            last = page[-1].id

        def ids(**which: object) -> list[str]:
            return [job.id for job in work.jobs.list(JobFilter(**which))]  # type: ignore[arg-type]

        assert pages == [["j6", "j5", "j4"], ["j3", "j2", "j1"], ["j0"]]
        assert ids(batch="even") == ["j6", "j4", "j2", "j0"]
        assert ids(states=(JobState.RUNNING, JobState.FAILED)) == ["j3"]
        assert ids(creator="carol", created_since=NOW + 2 * SECOND) == ["j6", "j5", "j4"]
        assert ids(pipeline="another") == []


def test_stage_runs_come_back_in_order(ledger: Ledger) -> None:
    record = OutputRecord({"f": "b" * 64}, {"margin": 0.5}, (), {"m": "1"}, 1.5)
    names = ("orient", "segment", "orient")
    with ledger.transaction() as work:
        add_job(work, "j1")
        runs = [StageRun(name, f"k{n}", "b" * 64, record, n == 2) for n, name in enumerate(names)]
        work.jobs.record_runs("j1", runs, NOW)
        work.jobs.record_runs("j1", [], NOW)
        found = work.jobs.runs("j1")
    assert [(run.stage, run.key, run.reused) for run in found] == [
        ("orient", "k0", False), ("segment", "k1", False), ("orient", "k2", True),
    ]  # fmt: skip
    assert (found[0].models, found[0].evidence, found[0].seconds) == (
        {"m": "1"}, {"margin": 0.5}, 1.5,
    )  # fmt: skip
    assert found[0].created_at == NOW


def test_a_job_needs_its_asset(ledger: Ledger) -> None:
    with pytest.raises(ContractViolation, match=r"(?i)foreign key"), ledger.transaction() as work:
        add_job(work, "j1", asset_sha256="f" * 64)


def test_a_version_of_a_policy_is_never_another(ledger: Ledger) -> None:
    changed = POLICY.model_copy(update={"review_below": 0.123})
    second = changed.model_copy(update={"version": POLICY.version + 1})
    with ledger.transaction() as work:
        for policy in (POLICY, POLICY, second):
            work.policies.add(policy, NOW)
        with pytest.raises(InvalidInput, match="new version"):
            work.policies.add(changed, NOW)
        assert work.policies.get(POLICY.name, POLICY.version) == POLICY
        assert work.policies.get(POLICY.name, second.version) == second
        assert work.policies.versions(POLICY.name) == (POLICY.version, second.version)


def test_a_policy_that_was_kept_before_it_had_all_its_fields_is_the_same(ledger: Ledger) -> None:
    plain = {"stages": {"orient": POLICY.stages["orient"]}, "joints": {}, "joints_count": True}
    old = POLICY.model_copy(update=plain)
    document = old.model_dump(mode="json")
    del document["joints_count"]
    for term in document["stages"]["orient"]:
        del term["curve"]
    row = {"name": old.name, "version": old.version, "document": document, "created_at": NOW}
    with ledger.transaction() as work:
        assert insert_once(work.policies._connection, POLICIES, row)
        work.policies.add(old, NOW)
        assert work.policies.get(old.name, old.version) == old


@pytest.mark.parametrize("text", ["a\ud800b"])
def test_what_is_no_text_is_the_callers_mistake(ledger: Ledger, text: str) -> None:
    with pytest.raises(InvalidInput), ledger.transaction() as work:
        add_job(work, "j1", creator=text)
