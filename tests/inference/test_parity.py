"""Whole characters through both backends: the same answers, the same keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.serving_parity import SAME, SAMPLES, all_assets, compare
from rigline.engine.pipeline import ASSET
from rigline.engine.stage_run import Workbench, run_stage
from rigline.inference.contracts import CONTRACTS
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.fleet import Member
from rigline.inference.gateway import Gateway
from rigline.inference.repository import shipped_repository
from rigline.inference.routing import EndpointKind
from rigline.inference.server.process import TritonServer
from rigline.inference.triton import TritonEndpoint
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from rigline.storage.memory import MemoryStore

pytestmark = pytest.mark.server
EVAL = Path(__file__).resolve().parents[3] / "shared" / "eval" / "input"
ALL_SAMPLES = sorted(SAMPLES.glob("*.glb"))


@pytest.fixture(scope="module")
def embedded() -> EmbeddedModels:
    return EmbeddedModels(shipped_repository())


@pytest.fixture(scope="module")
def triton(triton_server: TritonServer) -> Iterator[Gateway]:
    target = triton_server.plan.grpc
    gateway = Gateway([Member(target, EndpointKind.ONPREM, 16, TritonEndpoint(target))])
    yield gateway
    gateway.close()


def check(files: list[Path], variants: int, embedded: EmbeddedModels, triton: Gateway) -> None:
    both = compare(all_assets(files, variants), embedded, triton)
    assert both.calls.keys() == CONTRACTS.keys()
    assert max(both.worst.values()) <= SAME, both.worst


def test_a_sample_and_a_variant_of_it_get_the_same_answers(
    embedded: EmbeddedModels, triton: Gateway
) -> None:
    check([SAMPLES / "boxhead_kid.glb"], 1, embedded, triton)


def test_what_one_backend_computed_the_other_finds(
    embedded: EmbeddedModels, triton: Gateway
) -> None:
    data = (SAMPLES / "boxhead_kid.glb").read_bytes()
    store = MemoryStore()
    runs = {}
    for models in (triton, embedded):
        bench = Workbench(store, models, "boxhead_kid.glb")
        shas = {ASSET: store.put(data)}
        for stage in ("ingest", "orient"):
            runs[stage] = run_stage(AVATAR_AUTO_SETUP, stage, shas, bench)
            shas[stage] = runs[stage].sha256
    assert runs["orient"].reused
    assert dict(runs["orient"].record.models) == {
        "avatar_orientation": embedded.version("avatar_orientation")
    }


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not EVAL.is_dir(), reason="needs ../shared/eval")
def test_the_twelve_real_characters_get_the_same_answers(
    embedded: EmbeddedModels, triton: Gateway
) -> None:
    files = sorted(EVAL.glob("*.glb"))
    assert len(files) == 12
    check(files, 0, embedded, triton)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_synthetic_characters_get_the_same_answers(
    embedded: EmbeddedModels, triton: Gateway
) -> None:
    check(ALL_SAMPLES, 25, embedded, triton)
