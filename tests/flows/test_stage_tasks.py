"""What Prefect adds to a stage: retries of transient errors, and of no others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from rigline.engine.codec import bytes_codec
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage import AssetFile, Produced, Stage, StageContext
from rigline.engine.stage_run import StageRun
from rigline.errors import InvalidInput, RiglineError, ServiceUnavailable
from tasks import stage_tasks
from tasks.services import services
from tasks.stage_tasks import run_stage_task, submit_pipeline

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def _prefect(
    server_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.setenv("RIGLINE_STORE", str(tmp_path / "store"))
    quick = run_stage_task.with_options(retry_delay_seconds=0, retry_jitter_factor=None)
    monkeypatch.setattr(stage_tasks, "run_stage_task", quick)
    with temporary_settings({PREFECT_API_URL: server_env["PREFECT_API_URL"]}):
        yield


def run_flaky(errors: list[RiglineError]) -> tuple[int, StageRun]:
    """Run a stage that raises these errors one after another, then succeeds; its calls, its run."""
    calls = 0

    def flaky(ctx: StageContext, asset: AssetFile) -> Produced[bytes]:
        nonlocal calls
        calls += 1
        if calls <= len(errors):
            raise errors[calls - 1]
        return Produced(asset.data.upper())

    pipeline = Pipeline("flaky", 1, (Stage("shout", 1, (ASSET,), flaky, bytes_codec("out.txt")),))

    @flow
    def shout() -> StageRun:
        sha256 = services().store.put(b"hello")
        return submit_pipeline(pipeline, sha256, "hello.txt")["shout"].result()

    try:
        return calls, shout()
    finally:
        run_flaky.calls = calls  # type: ignore[attr-defined]


def test_transient_errors_are_tried_again() -> None:
    _, run = run_flaky([ServiceUnavailable("away"), ServiceUnavailable("still away")])
    assert run_flaky.calls == 3  # type: ignore[attr-defined]
    assert run.sha256 == hashlib.sha256(b"HELLO").hexdigest()


def test_permanent_errors_are_not() -> None:
    with pytest.raises(InvalidInput, match="no good"):
        run_flaky([InvalidInput("This is no good.")])
    assert run_flaky.calls == 1  # type: ignore[attr-defined]


def test_a_second_run_computes_nothing() -> None:
    _, first = run_flaky([])
    _, second = run_flaky([])
    assert not first.reused
    assert second.reused
    assert run_flaky.calls == 0  # type: ignore[attr-defined]
