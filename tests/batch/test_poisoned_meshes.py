"""Real avatars among poisoned meshes: ``make soak``."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.synthetic_assets import write_assets
from tests.support.batch_commands import Installation
from tests.support.poisoned_avatars import PLACE, poisoned

pytestmark = [pytest.mark.soak, pytest.mark.server, pytest.mark.timeout(1800)]
ITEMS = 60
POLICY = Path(__file__).resolve().parents[2] / "config/policies/default.toml"
POISON = {7: "truncated", 22: "crash", 37: "loop", 52: "hog"}
KINDS = {7: "invalid", 22: "crash", 37: "timeout", 52: "memory"}


def test_meshes_beside_poisoned_ones_all_become_avatars(tmp_path: Path) -> None:
    place = Installation(tmp_path, {"RIGLINE_PIPELINES": PLACE, "RIGLINE_POLICY": str(POLICY)})
    paths = write_assets(tmp_path / "in", ITEMS)
    for number, word in POISON.items():
        paths[number].write_bytes(poisoned(paths[number].read_bytes(), word))
    place.ask("db", "upgrade")
    source = ("batch", tmp_path / "in", "--dest", place.dest, "--pipeline", "avatar-poisoned")
    limits = ("--workers", 2, "--stage-seconds", 60, "--memory-mib", 2048)
    with place.running(place.command(*source, *limits, "--json"), "batch.log") as process:
        process.communicate(timeout=1500)
    assert process.returncode == 1, (tmp_path / "batch.log").read_text()[-3000:]
    (batch,) = place.ask("batch", "list")
    report = place.ask("batch", "report", batch["id"])
    found = {Path(d["source"]).name: (d["kind"], d["stage"]) for d in report["dead_letters"]}
    assert found == {paths[n].name: (kind, "ingest") for n, kind in KINDS.items()}
    assert all(letter["error"] for letter in report["dead_letters"])
    ended = {state: count for state, count in batch["items"].items() if count}
    assert ended.pop("dead") == len(POISON)
    assert set(ended) <= {"published", "in_review"}
    assert sum(ended.values()) == ITEMS - len(POISON)
    assert len(list((tmp_path / "out").glob("*.avatar.glb"))) == ITEMS - len(POISON)
