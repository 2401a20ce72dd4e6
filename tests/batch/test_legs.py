"""Pools and legs."""

from __future__ import annotations

import pytest

from rigline.batch.legs import Pools, Wanted, cut, size_pools
from rigline.errors import InvalidInput
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from tests.support.trivial_jobs import WORDS


def test_without_gpus_every_worker_runs_everything() -> None:
    assert size_pools({"CPU": 8.0}, AVATAR_AUTO_SETUP, Wanted()) == Pools(8)
    (leg,) = cut(AVATAR_AUTO_SETUP, apart=False)
    assert leg.stages == tuple(stage.name for stage in AVATAR_AUTO_SETUP)


def test_each_gpu_has_an_inference_worker() -> None:
    assert size_pools({"CPU": 8.0, "GPU": 2.0}, AVATAR_AUTO_SETUP, Wanted()) == Pools(6, 2, 1.0, 8)
    legs = cut(AVATAR_AUTO_SETUP, apart=True)
    assert [leg.inference for leg in legs] == [False, True, False]
    assert legs[1].stages == ("orient", "segment", "rig")
    assert sum((leg.stages for leg in legs), ()) == tuple(s.name for s in AVATAR_AUTO_SETUP)


def test_a_pipeline_without_models_needs_no_inference_worker() -> None:
    wanted = Wanted(inference_workers=3)
    assert size_pools({"CPU": 8.0, "GPU": 2.0}, WORDS, wanted) == Pools(8)


def test_what_is_asked_for_goes_first() -> None:
    wanted = Wanted(workers=3, inference_workers=1, together=4)
    assert size_pools({"CPU": 64.0}, AVATAR_AUTO_SETUP, wanted) == Pools(3, 1, 0.0, 4)
    with pytest.raises(InvalidInput, match="workers"):
        Wanted(workers=0)


def test_the_smallest_cluster_has_a_worker() -> None:
    assert size_pools({}, AVATAR_AUTO_SETUP, Wanted()).total == 1
