"""Batches on several nodes, with artifacts on a real S3 server; a node is killed in mid-run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.batch_commands import Installation, make_bucket, s3_env
from tests.support.ray_nodes import two_nodes
from tests.support.servers import S3Server, s3_server

pytestmark = [pytest.mark.server, pytest.mark.timeout(400)]
ITEMS = 60


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path / "s3") as server:
        make_bucket(server)
        yield server


@pytest.fixture
def installation(tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """An installation whose environment the nodes have too."""
    found = Installation(tmp_path, s3_env(s3))
    for name, value in found.env.items():
        monkeypatch.setenv(name, value)
    found.ask("db", "upgrade")
    return found


@pytest.fixture
def cluster(installation: Installation) -> Iterator[Any]:
    with two_nodes() as cluster:
        yield cluster


def test_a_node_that_dies_takes_no_item_with_it(installation: Installation, cluster: Any) -> None:
    installation.extra["RAY_ADDRESS"] = cluster.address
    texts = [f"slow:0.1 {number} three four" for number in range(ITEMS)]
    installation.write(texts)
    with installation.running(installation.batch(), "batch.log") as process:
        installation.wait_for_computed(ITEMS, process)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, (installation.folder / "batch.log").read_text()[-3000:]
    (batch,) = installation.ask("batch", "list")
    assert batch["id"] in output
    assert {k: v for k, v in batch["items"].items() if v} == {"published": ITEMS}
    computed = installation.computed()
    assert len(computed) == 3 * ITEMS
    assert sum(computed.values()) <= 3 * ITEMS + 3, "only what was under way is computed again"
