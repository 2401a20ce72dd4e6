"""Questions to servers: what counts as an answer, and what is asked again."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from rigline.errors import ServiceUnavailable
from rigline.local import probes
from rigline.local.probes import PrefectApi, answers
from tests.support.servers import free_port


class Fake(HTTPServer):
    """Gives the answers that a test has laid ready for a path, the last one for ever."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ready: dict[str, list[tuple[int, Any]]] = {}
        self.asked: list[tuple[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Fake

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or "null")
        self.server.asked.append((f"{self.command} {self.path}", body))
        answers = self.server.ready.get(self.path, [(404, {})])
        code, said = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    do_GET = do_POST = do_PATCH = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    monkeypatch.setattr(probes, "PAUSES_S", (0.0, 0.0, None))
    with Fake() as fake:
        thread = threading.Thread(target=fake.serve_forever, args=(0.01,))
        thread.start()
        yield fake
        fake.shutdown()
        thread.join()


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def test_a_page_has_to_be_there(server: Fake) -> None:
    server.ready["/health"] = [(503, {}), (200, {})]
    probe = answers(f"{server.url}/health")
    assert not probe(0)
    assert probe(0)
    assert not answers(f"http://127.0.0.1:{free_port()}/health")(0)


def test_only_a_worker_that_has_reported_since_the_start_counts(server: Fake) -> None:
    now = time.time()
    path = "/work_pools/rigline/workers/filter"
    has_worker = PrefectApi(server.url).has_worker("rigline", "ours")
    assert not has_worker(now), "no pool yet"
    stale = {"name": "ours", "last_heartbeat_time": moment(now - 60)}
    other = {"name": "theirs", "last_heartbeat_time": moment(now + 60)}
    silent = {"name": "ours", "last_heartbeat_time": None}
    server.ready[path] = [(200, [stale, other, silent])]
    assert not has_worker(now)
    server.ready[path] = [(200, [other, {**stale, "last_heartbeat_time": moment(now + 5)}])]
    assert has_worker(now)


def test_only_a_deployment_that_has_asked_since_the_start_is_served(server: Fake) -> None:
    now, path = time.time(), "/deployments/name/maintenance/default"
    serves = PrefectApi(server.url).serves("maintenance", "default")
    answers_in_turn = [None, moment(now - 60), moment(now + 5)]
    assert not serves(now)
    server.ready[path] = [(200, {"last_polled": at}) for at in answers_in_turn]
    assert [serves(now) for _ in answers_in_turn] == [False, False, True]


def test_a_pool_that_is_there_gets_the_limit(server: Fake) -> None:
    server.ready["/work_pools/"] = [(201, {}), (409, {})]
    server.ready["/work_pools/rigline"] = [(200, {})]
    api = PrefectApi(server.url)
    for flow_runs in (2, 3):
        api.make_pool("rigline", flow_runs)
    assert server.asked[-1] == ("PATCH /work_pools/rigline", {"concurrency_limit": 3})
    assert [path for path, _ in server.asked] == [
        "POST /work_pools/", "POST /work_pools/", "PATCH /work_pools/rigline",
    ]  # fmt: skip


def test_a_busy_server_is_asked_again_and_a_refusal_told(server: Fake) -> None:
    api = PrefectApi(server.url)
    server.ready["/concurrency_limits/"] = [(503, {}), (503, {}), (200, {})]
    api.limit_tags(["model:rig"], 2)
    assert (
        server.asked
        == [("POST /concurrency_limits/", {"tag": "model:rig", "concurrency_limit": 2})] * 3
    )
    server.ready["/concurrency_limits/"] = [(503, {})]
    with pytest.raises(ServiceUnavailable, match="refused POST /concurrency_limits/: 503"):
        api.limit_tags(["model:rig"], 2)
    server.ready["/concurrency_limits/"] = [(422, {"detail": "no"})]
    with pytest.raises(ServiceUnavailable, match="422"):
        api.limit_tags(["model:rig"], 2)
    with pytest.raises(ServiceUnavailable, match="does not answer"):
        PrefectApi(f"http://127.0.0.1:{free_port()}").limit_tags(["model:rig"], 2)


def test_runs_of_what_has_stopped_are_called_crashed(server: Fake) -> None:
    server.ready["/flow_runs/filter"] = [(200, [{"id": "r1"}, {"id": "r2"}])]
    server.ready["/flow_runs/r1/set_state"] = server.ready["/flow_runs/r2/set_state"] = [(201, {})]
    PrefectApi(server.url).bury_runs(work_pools="rigline")
    (_, which), *buried = server.asked
    assert which == {
        "work_pools": {"name": {"any_": ["rigline"]}},
        "flow_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}},
    }
    assert [path for path, _ in buried] == [
        "POST /flow_runs/r1/set_state", "POST /flow_runs/r2/set_state",
    ]  # fmt: skip
    assert all(body["state"]["type"] == "CRASHED" and body["force"] for _, body in buried)
