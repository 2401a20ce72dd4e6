"""Long runs of faults: ``make soak``."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.support.batch_commands import Installation, kill_one_worker, make_bucket, s3_env
from tests.support.ray_nodes import add_node, two_nodes
from tests.support.servers import s3_ports, s3_server

pytestmark = [pytest.mark.soak, pytest.mark.server, pytest.mark.timeout(1800)]
KILLED_ITEMS = 300
POISONED_ITEMS = 200
STAGE_S = 4.0


def test_five_per_cent_of_poison_cost_what_their_limits_allow(tmp_path: Path) -> None:
    good = [f"slow:0.05 {n} three four" for n in range(POISONED_ITEMS)]
    poison = ["crash", "loop", "hog", "bad"]
    bad = [f"{poison[n // 20 % 4]} {n}" if n % 20 == 0 else text for n, text in enumerate(good)]
    seconds = {}
    for name, texts in (("good", good), ("bad", bad)):
        (tmp_path / name).mkdir()
        place = Installation(tmp_path / name)
        place.ask("db", "upgrade")
        place.write(texts)
        limits = ("--workers", 2, "--stage-seconds", STAGE_S, "--memory-mib", 1024)
        started = time.monotonic()
        with place.running(place.batch(*limits), "batch.log") as process:
            process.communicate(timeout=900)
        seconds[name] = time.monotonic() - started
        (batch,) = place.ask("batch", "list")
        letters = place.ask("batch", "report", batch["id"])["dead_letters"]
        poisoned = sum(n % 20 == 0 for n in range(POISONED_ITEMS)) if name == "bad" else 0
        assert batch["items"]["dead"] == len(letters) == poisoned
        assert batch["items"]["published"] == POISONED_ITEMS - poisoned
    kinds = Counter(d["kind"] for d in letters)
    print(f"seconds {seconds}, poison {dict(kinds)}")
    assert set(kinds) == {"crash", "timeout", "memory", "invalid"}
    loops, restarts = kinds["timeout"], kinds["crash"] + kinds["timeout"] + kinds["memory"]
    assert seconds["bad"] <= seconds["good"] * 1.5 + loops * STAGE_S + restarts * 10


def test_killed_everywhere_nothing_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = s3_ports()
    with ExitStack() as stack:
        server = stack.enter_context(s3_server(tmp_path / "s3", ports))
        make_bucket(server)
        place = Installation(tmp_path, s3_env(server))
        for name, value in place.env.items():
            monkeypatch.setenv(name, value)
        place.ask("db", "upgrade")
        place.write([f"slow:0.2 {number} three four" for number in range(KILLED_ITEMS)])
        cluster = stack.enter_context(two_nodes())
        place.extra["RAY_ADDRESS"] = cluster.address

        with place.running(place.batch("--attempts", 8), "first.log") as driver:
            place.wait_for_computed(150, driver)
            kill_one_worker(os.getpid())
            place.wait_for_computed(300, driver)
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            add_node(cluster)
            place.wait_for_computed(450, driver)
            _kill_s3(tmp_path / "s3")
            time.sleep(5)  # for which the store is away
            stack.enter_context(s3_server(tmp_path / "s3", ports))
            place.wait_for_computed(600, driver)
            driver.send_signal(signal.SIGKILL)
        (batch,) = place.ask("batch", "list")
        assert batch["state"] == "running"
        done = place.ask("batch", "--resume", batch["id"])
        assert done["state"] == "finished"
        assert {k: v for k, v in done["items"].items() if v} == {"published": KILLED_ITEMS}
        jobs = place.ask("jobs", "list", "--batch", batch["id"], "--limit", 1000)
        assert len({job["id"] for job in jobs}) == len(jobs) == KILLED_ITEMS
    computed = place.computed()
    print(f"{sum(computed.values())} stage executions for {3 * KILLED_ITEMS}")
    assert len(computed) == 3 * KILLED_ITEMS
    assert sum(computed.values()) <= 1.05 * 3 * KILLED_ITEMS


def _kill_s3(folder: Path) -> None:
    """SIGKILL the server that keeps its data in the folder."""
    for process in psutil.Process().children(recursive=True):
        if process.name() == "weed" and f"-dir={folder}" in process.cmdline():
            process.kill()
            process.wait()
