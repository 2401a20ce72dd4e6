"""A Ray cluster of several nodes on this machine, as a context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

NODES = 2
SMALL: dict[str, Any] = {"object_store_memory": 100 << 20}
ATTEMPTS = 3


@contextmanager
def two_nodes() -> Iterator[Any]:
    """A head without workers and two nodes of one CPU; :class:`ray.cluster_utils.Cluster`.

    A start that took longer than Ray waits, as on a busy machine, is tried again.
    """
    cluster = _started(ATTEMPTS)
    try:
        yield cluster
    finally:
        cluster.shutdown()


def add_node(cluster: Any) -> Any:
    """One more node of one CPU."""
    return cluster.add_node(num_cpus=1, **SMALL)


def _started(attempts: int) -> Any:
    from ray.cluster_utils import Cluster

    cluster = None
    try:
        head = {"num_cpus": 0, "include_dashboard": False, **SMALL}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(NODES):
            add_node(cluster)
    except Exception:  # Ray raises plain ones where a process of its own is late
        if cluster is not None:
            cluster.shutdown()
        ray.shutdown()
        if attempts == 1:
            raise
        return _started(attempts - 1)
    return cluster
