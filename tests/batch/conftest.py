from __future__ import annotations

from collections.abc import Iterator

import pytest

WORKERS = 2


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A Ray cluster of this process's own, one for all tests."""
    from rigline.batch.run import cluster

    with cluster(WORKERS):
        yield
