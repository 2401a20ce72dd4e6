"""The driver: nothing lost, nothing done twice, wherever it is killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rigline.batch.crew import Order
from rigline.batch.replay import replay
from rigline.batch.work import LOST
from rigline.db.ledger import Ledger
from rigline.engine.batch import BatchLimits, BatchState, FaultKind, ItemState
from rigline.engine.job import JobAction, JobState
from rigline.errors import ReviewConflict, ServiceUnavailable
from rigline.jobs.cancellation import cancel
from rigline.jobs.recovery import replay_job
from tests.support.batch_office import BatchOffice
from tests.support.small_jobs import Killed, MortalLedger

TEXTS = ["one two three four", "doubt", "one two three four", "bad text", "five six seven eight"]


@pytest.fixture
def office(ledger: Ledger, tmp_path: Path) -> BatchOffice:
    return BatchOffice(ledger, tmp_path)


def check_texts(office: BatchOffice, batch_id: str) -> None:
    """What must have become of ``TEXTS``, however often it was tried."""
    with office.ledger.reading() as work:
        batch = work.batches.get(batch_id)
        found = work.batches.outcomes(batch_id, -1, 100)
        letters = work.batches.dead_letters(batch_id)
        tickets = [work.tickets.find(job_id=one.job.id) for one in found if one.job]
    assert batch.state == BatchState.FINISHED
    assert [str(one.item.state) for one in found] == ["done", "done", "duplicate", "dead", "done"]
    assert [one.job.state for one in found if one.job] == [
        JobState.PUBLISHED, JobState.IN_REVIEW, JobState.PUBLISHED, JobState.FAILED,
        JobState.PUBLISHED,
    ]  # fmt: skip
    assert found[0].item.job_id == found[2].item.job_id
    assert [len(t) for t in tickets] == [0, 1, 0, 0, 0]
    assert [(d.number, d.kind, d.stage) for d in letters] == [(3, FaultKind.INVALID, "read")]


def test_items_come_to_where_they_belong(office: BatchOffice) -> None:
    office.write(TEXTS)
    batch = office.begin()
    figures = office.drive(batch)
    check_texts(office, batch.id)
    assert (figures.published, figures.in_review, figures.dead, figures.duplicates) == (2, 1, 1, 1)
    assert max(office.ran.values()) == 1
    files = {p.name for p in (office.folder / "out").iterdir()}
    assert files == {f"{n:04}.txt.count.json" for n in (0, 1, 4)}


def test_stages_are_noted_once_with_their_job(office: BatchOffice) -> None:
    office.write(TEXTS[:2])
    batch = office.begin()
    office.drive(batch, apart=True)
    for one in office.outcomes(batch):
        assert one.job is not None
        with office.ledger.reading() as work:
            runs = work.jobs.runs(one.job.id)
        assert [run.stage for run in runs] == ["read", "split", "count"]
        assert one.item.seconds == pytest.approx(sum(run.seconds for run in runs))


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
def test_killed_at_any_transaction_it_goes_on(
    sqlite_ledger: Ledger, tmp_path: Path, committed: bool
) -> None:
    at = 0
    while True:
        at += 1
        (tmp_path / str(at)).mkdir()
        office = BatchOffice(sqlite_ledger, tmp_path / str(at))
        office.write(TEXTS)
        batch = office.begin()
        mortal = MortalLedger(sqlite_ledger, at, committed=committed)
        try:
            office.drive(batch, ledger=mortal)
        except Killed:
            office.drive(batch)
            check_texts(office, batch.id)
            assert max(office.ran.values()) == 1
        else:
            break
    assert at > 3


def test_a_finished_batch_that_is_resumed_does_nothing(office: BatchOffice) -> None:
    office.write(TEXTS)
    batch = office.begin()
    office.drive(batch)
    before = office.ran.copy()
    figures = office.drive(batch)
    check_texts(office, batch.id)
    assert office.ran == before
    assert figures.ended == len(TEXTS)


def test_attempts_whose_worker_was_lost_are_made_again_until_they_are_used_up(
    ledger: Ledger, tmp_path: Path
) -> None:
    office = BatchOffice(ledger, tmp_path, BatchLimits(attempts=3))
    office.write(["fatal one", "good one"])
    batch = office.begin()
    office.drive(batch, loses=_with_asset(office, "fatal one"))
    dead, done = office.outcomes(batch)
    assert done.item.state == ItemState.DONE
    assert dead.dead is not None
    assert (dead.dead.kind, dead.dead.attempts) == (FaultKind.LOST, 3)
    assert dead.job is not None
    assert dead.job.state == JobState.FAILED


def test_attempts_count_however_their_driver_ended(ledger: Ledger, tmp_path: Path) -> None:
    """An item that takes the whole machine down is given up too, as its attempts are on record."""
    office = BatchOffice(ledger, tmp_path, BatchLimits(attempts=2))
    office.write(["fatal"])
    batch = office.begin()

    for _ in range(2):
        with pytest.raises(Killed):
            office.drive(batch, loses=_machine_dies)
    office.drive(batch, loses=_machine_dies)
    (one,) = office.outcomes(batch)
    assert one.dead is not None
    assert (one.item.state, one.dead.kind) == (ItemState.DEAD, FaultKind.LOST)


def test_what_passes_is_tried_again(ledger: Ledger, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.touch()
    office = BatchOffice(ledger, tmp_path)
    office.write([f"away:{away} once"])
    batch = office.begin()
    seen: list[str] = []

    def back_after_two(order: Order) -> bool:
        seen.extend("try" for _ in order.errands)
        if len(seen) == 2:
            away.unlink(missing_ok=True)
        return False

    figures = office.drive(batch, loses=back_after_two)
    assert figures.published == 1
    (item,) = office.items(batch, ItemState.DONE)
    assert item.attempts == 3


def test_what_never_passes_is_given_up_and_parked(ledger: Ledger, tmp_path: Path) -> None:
    office = BatchOffice(ledger, tmp_path, BatchLimits(attempts=3))
    office.write(["away:/ always"])
    batch = office.begin()
    office.drive(batch)
    (one,) = office.outcomes(batch)
    assert one.job is not None
    assert one.dead is not None
    assert one.job.state == JobState.PARKED
    assert (one.dead.kind, one.dead.stage, one.dead.attempts) == (
        FaultKind.UNAVAILABLE, "split", 3,
    )  # fmt: skip


def test_an_outage_costs_no_item_an_attempt(ledger: Ledger, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.touch()
    office = BatchOffice(ledger, tmp_path, BatchLimits(attempts=2))
    office.write([f"away:{away} {n}" for n in range(4)])
    batch = office.begin()
    asked: list[bool] = []

    def answers() -> bool:
        asked.append(True)
        if len(asked) == 5:
            away.unlink()
        return len(asked) >= 5

    office.drive(batch, answers=answers)
    assert office.states(batch) == Counter(done=4)
    assert {item.attempts for item in office.items(batch, ItemState.DONE)} == {1}


def test_an_outage_that_does_not_end_stops_the_batch(ledger: Ledger, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.touch()
    office = BatchOffice(ledger, tmp_path, BatchLimits(attempts=2))
    office.write([f"away:{away} {n}" for n in range(4)])
    batch = office.begin()
    with pytest.raises(ServiceUnavailable, match="away"):
        office.drive(batch, answers=lambda: False)
    with ledger.reading() as work:
        assert work.batches.get(batch.id).state == BatchState.STOPPED
    away.unlink()
    office.drive(batch)
    assert office.states(batch) == Counter(done=4)


def test_told_to_stop_it_gives_back_what_it_has_begun(office: BatchOffice) -> None:
    office.write([f"{n} two three four" for n in range(120)])
    batch = office.begin()
    looks: list[int] = []

    def stopping() -> bool:
        looks.append(1)
        return len(looks) > 12

    office.drive(batch, stopping=stopping)
    with office.ledger.reading() as work:
        assert work.batches.get(batch.id).state == BatchState.STOPPED
    waiting = office.items(batch, ItemState.WAITING)
    assert waiting
    assert {item.attempts for item in waiting} == {0}
    assert not office.items(batch, ItemState.RUNNING)
    office.drive(batch)
    assert office.states(batch) == Counter(done=120)


def test_a_driver_that_has_lost_its_batch_changes_nothing_more(office: BatchOffice) -> None:
    office.write(TEXTS)
    batch = office.begin()

    def taken_up(order: Order) -> bool:
        with office.ledger.transaction() as work:
            work.batches.take(batch.id, office.clock())
        return False

    with pytest.raises(ReviewConflict, match="Another driver"):
        office.drive(batch, loses=taken_up)
    assert not office.outcomes(batch)


def test_few_items_are_on_the_way_however_long_the_source(
    sqlite_ledger: Ledger, tmp_path: Path
) -> None:
    office = BatchOffice(sqlite_ledger, tmp_path)
    office.write([f"{n} two three four" for n in range(600)])
    batch = office.begin()
    most = []

    def look(order: Order) -> bool:
        with office.ledger.reading() as work:
            counts = work.batches.figures(batch.id)
        most.append(sum(c for (item, _), c in counts.items() if item == ItemState.RUNNING))
        return False

    office.drive(batch, loses=look)
    assert office.states(batch) == Counter(done=600)
    assert max(most) <= 2 * 3 * 64


def test_a_job_that_somebody_else_has_run_is_left_to_them(office: BatchOffice) -> None:
    office.write(TEXTS[:1])
    batch = office.begin()

    def finished_elsewhere(order: Order) -> bool:
        for errand in order.errands:
            with office.ledger.transaction() as work:
                job = work.jobs.get(errand.job_id)
                work.jobs.transition(job, JobAction.CANCEL, office.clock(), error="not wanted")
        return False

    office.drive(batch, loses=finished_elsewhere)
    (one,) = office.outcomes(batch)
    assert one.item.state == ItemState.DONE
    assert one.job is not None
    assert one.job.state == JobState.CANCELLED


def test_an_item_whose_job_is_cancelled_is_not_begun_again(office: BatchOffice) -> None:
    office = replace(office, limits=BatchLimits(attempts=1))
    office.write(TEXTS[:1])
    batch = office.begin()

    def dies(order: Order) -> bool:
        raise Killed

    with pytest.raises(Killed):
        office.drive(batch, loses=lambda order: bool(order.errands) and dies(order))
    (one,) = office.items(batch, ItemState.RUNNING)
    assert one.job_id is not None
    cancel(office.ledger, one.job_id, "carol", office.clock())
    assert office.drive(batch).other == 1
    (ended,) = office.outcomes(batch)
    assert (ended.item.state, ended.dead) == (ItemState.DONE, None)
    assert ended.job is not None
    assert ended.job.state == JobState.CANCELLED


@pytest.mark.parametrize("way", ["submitted again", "replayed"])
def test_a_spent_item_whose_job_was_put_back_ends_and_stops_no_other(
    office: BatchOffice, way: str
) -> None:
    office = replace(office, limits=BatchLimits(attempts=1))
    office.write(["one two three four"])
    batch = office.begin()

    with pytest.raises(Killed):
        office.drive(batch, loses=_machine_dies)
    (spent,) = office.items(batch, ItemState.RUNNING)
    assert spent.job_id is not None
    _put_back(office, spent.job_id, way)
    office.write(["one two three four", "five six seven eight"])
    office.drive(batch)
    dead, done = office.outcomes(batch)
    assert (dead.item.state, done.item.state) == (ItemState.DEAD, ItemState.DONE)
    assert dead.dead is not None
    assert (dead.dead.kind, dead.dead.attempts) == (FaultKind.LOST, 1)
    assert dead.job is not None
    assert (dead.job.state, dead.job.error) == (JobState.FAILED, LOST.error)

    assert len(replay(office.ledger, batch.id, office.clock())) == 1
    office.drive(batch)
    assert office.states(batch) == Counter(done=2)


def test_dead_letters_are_taken_back(ledger: Ledger, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.touch()
    office = BatchOffice(ledger, tmp_path, BatchLimits(attempts=1))
    office.write([f"away:{away} one two three", "bad"])
    gone = office.folder / "in" / "0002.txt"
    gone.symlink_to(tmp_path / "nowhere")
    batch = office.begin()
    office.drive(batch)
    assert office.states(batch) == Counter(dead=3)

    away.unlink()
    gone.unlink()
    gone.write_text("there at last now too")
    now = office.clock()
    (one,) = replay(ledger, batch.id, now, kinds=[FaultKind.UNAVAILABLE])
    assert one.number == 0
    assert len(replay(ledger, batch.id, now, numbers=[2])) == 1
    assert replay(ledger, batch.id, now, stage="nowhere") == []
    office.drive(batch)
    assert office.states(batch) == Counter(done=2, dead=1)
    (dead,) = office.items(batch, ItemState.DEAD)
    assert dead.number == 1


def test_jobs_put_back_by_hand_run_when_the_batch_is_resumed(
    ledger: Ledger, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    away.touch()
    office = BatchOffice(ledger, tmp_path, BatchLimits(attempts=1))
    office.write([f"away:{away} one two three"])
    batch = office.begin()
    office.drive(batch)
    away.unlink()
    from rigline.db.jobs import JobFilter
    from rigline.jobs.recovery import replay as replay_jobs

    assert len(replay_jobs(ledger, JobFilter(batch=batch.id), office.clock())) == 1
    office.drive(batch)
    assert office.states(batch) == Counter(done=1)


def _machine_dies(order: Order) -> bool:
    if order.errands:
        raise Killed
    return False


def _put_back(office: BatchOffice, job_id: str, way: str) -> None:
    """Bring a job that has lost its worker back to queued, as people do."""
    now = office.clock()
    if way == "submitted again":
        cancel(office.ledger, job_id, "carol", now)
        with office.ledger.transaction() as work:
            work.jobs.transition(work.jobs.get(job_id), JobAction.RESUBMIT, now)
        return
    with office.ledger.transaction() as work:
        work.jobs.transition(work.jobs.get(job_id), JobAction.PARK, now, error="The store is away.")
    replay_job(office.ledger, job_id, now)


def _with_asset(office: BatchOffice, text: str) -> Callable[[Order], bool]:
    sha256 = office.services.store.put(text.encode())
    return lambda order: any(errand.asset_sha256 == sha256 for errand in order.errands)


def test_limits_must_make_sense() -> None:
    from rigline.errors import InvalidInput

    with pytest.raises(InvalidInput, match="attempts"):
        replace(BatchLimits(), attempts=0)
