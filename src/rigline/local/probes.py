"""How it is found out that a server does its work: questions over HTTP and to Prefect's API."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rigline.errors import ServiceUnavailable
from rigline.local.part import Probe

ANSWER_LIMIT_S: Final = 3.0
EXISTS: Final = 409
BUSY: Final = 503
UNDER_WAY: Final = ("PENDING", "RUNNING", "CANCELLING")
PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, None)
"""Between attempts; None ends them."""


def answers(url: str) -> Probe:
    """A probe of a page that has to be there."""

    def ask(since: float) -> bool:
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_LIMIT_S):
                return True
        except OSError:
            return False

    return ask


@dataclass(frozen=True)
class PrefectApi:
    """The little of a Prefect server's API that the stack needs; its client takes seconds to load.

    Everything but the probes raises ``ServiceUnavailable`` when the server does not answer, or
    refuses.
    """

    url: str

    def make_pool(self, name: str, flow_runs: int) -> None:
        """A work pool for processes of that name, with so many flow runs at once."""
        pool = {"name": name, "type": "process", "concurrency_limit": flow_runs}
        if self._ask("POST", "/work_pools/", pool, accept=(EXISTS,)) is None:
            self._ask("PATCH", f"/work_pools/{name}", {"concurrency_limit": flow_runs})

    def limit_tags(self, tags: Iterable[str], task_runs: int) -> None:
        """For each tag a limit of so many task runs at once."""
        for tag in tags:
            limit = {"tag": tag, "concurrency_limit": task_runs}
            self._ask("POST", "/concurrency_limits/", limit)

    def run_now(self, flow: str, deployment: str) -> None:
        """A run of a deployment, which its schedule would start only later."""
        found = self._ask("GET", f"/deployments/name/{flow}/{deployment}")
        self._ask("POST", f"/deployments/{found['id']}/create_flow_run", {})

    def bury_runs(self, **of: str) -> None:
        """Call crashed all runs that are under way, of whatever stopped without a word.

        Their places in the limits are free again. ``of`` gives a ``work_pools`` or ``flows`` name.
        """
        which: dict[str, Any] = {kind: {"name": {"any_": [name]}} for kind, name in of.items()}
        which["flow_runs"] = {"state": {"type": {"any_": UNDER_WAY}}}
        state = {"type": "CRASHED", "message": "Its process ended with the local stack."}
        for run in self._ask("POST", "/flow_runs/filter", which):
            self._ask("POST", f"/flow_runs/{run['id']}/set_state", {"state": state, "force": True})

    def has_worker(self, pool: str, name: str) -> Probe:
        """A probe of a worker that has reported to the pool."""
        return self._reports(
            "POST", f"/work_pools/{pool}/workers/filter",
            lambda found: [w["last_heartbeat_time"] for w in found if w["name"] == name],
        )  # fmt: skip

    def serves(self, flow: str, deployment: str) -> Probe:
        """A probe of a deployment that asks for its runs."""
        return self._reports(
            "GET", f"/deployments/name/{flow}/{deployment}", lambda found: [found["last_polled"]]
        )

    def _reports(self, method: str, path: str, moments: Any) -> Probe:
        """A probe of moments in an answer: one of them has to be after the start."""

        def ask(since: float) -> bool:
            try:
                found = self._ask(method, path, {} if method == "POST" else None)
                return any(
                    datetime.fromisoformat(moment).timestamp() >= since
                    for moment in moments(found)
                    if moment
                )
            except (ServiceUnavailable, KeyError, TypeError, ValueError):
                return False

        return ask

    def _ask(
        self, method: str, path: str, body: object = None, accept: tuple[int, ...] = ()
    ) -> Any:
        """The answer; None for one of the error codes that are to be expected."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            said = _answer_to(request)
        except urllib.error.HTTPError as error:
            if error.code in accept:
                return None
            raise ServiceUnavailable(
                f"Prefect refused {method} {path}: {error.code} {error.read()[:300]!r}."
            ) from error
        except OSError as error:
            raise ServiceUnavailable(
                f"Prefect at {self.url} does not answer: {error}.",
                remedy="Look into log/prefect.log in RIGLINE_STACK; rigline up starts it again.",
            ) from error
        return json.loads(said) if said else {}


def _answer_to(request: urllib.request.Request) -> bytes:
    """The answer, asked for again where the server is only busy, as it is while much starts."""
    for pause_s in PAUSES_S:
        try:
            with urllib.request.urlopen(request, timeout=10 * ANSWER_LIMIT_S) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            if error.code != BUSY or pause_s is None:
                raise
            time.sleep(pause_s)
    raise AssertionError("the last attempt returns or raises")
