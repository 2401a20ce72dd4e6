"""The cluster that a batch runs on, where Ray does not come up at once."""

from __future__ import annotations

from typing import Any

import pytest
import ray

from rigline.batch import run
from rigline.errors import ServiceUnavailable


class _Ray:
    """Ray's own start, failing as often as told with what it raises when it waited in vain."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.starts: list[dict[str, Any]] = []
        self.shutdowns = 0

    def init(self, **options: Any) -> None:
        self.starts.append(options)
        if len(self.starts) <= self.failures:
            raise RuntimeError("Timed out waiting for file gcs_server_port")

    def shutdown(self) -> None:
        self.shutdowns += 1


@pytest.fixture
def failing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> _Ray:
    found = _Ray(request.param)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", found.init)
    monkeypatch.setattr(ray, "shutdown", found.shutdown)
    return found


@pytest.mark.parametrize("failing", [run.START_ATTEMPTS - 1], indirect=True)
def test_a_start_that_came_too_late_is_tried_again(failing: _Ray) -> None:
    with run.cluster(2):
        assert [start["num_cpus"] for start in failing.starts] == [2] * run.START_ATTEMPTS
    assert failing.shutdowns == run.START_ATTEMPTS  # after each failure, and at the end


@pytest.mark.parametrize("failing", [run.START_ATTEMPTS], indirect=True)
def test_a_ray_that_never_starts_says_where_its_logs_are(failing: _Ray) -> None:
    with pytest.raises(ServiceUnavailable, match="does not start") as refusal, run.cluster():
        pass
    assert "session_latest/logs" in str(refusal.value.remedy)


@pytest.mark.parametrize("failing", [1], indirect=True)
def test_a_cluster_elsewhere_is_asked_once(failing: _Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.1.2.3:6379")
    with pytest.raises(ServiceUnavailable, match="can be reached"), run.cluster():
        pass
    assert len(failing.starts) == 1
