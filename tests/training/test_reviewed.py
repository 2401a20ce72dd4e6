"""What reviewers have corrected comes back as training samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rigline.avatar.body import PART_NAMES, Part
from rigline.bootstrap import open_services
from rigline.db import reviewing
from rigline.delivery import write_file
from rigline.errors import RiglineError
from rigline.jobs.execution import run
from rigline.jobs.export import reviewed_samples
from rigline.jobs.preview import parsed_corrections
from rigline.jobs.results import results_of
from rigline.jobs.resumption import resume
from rigline.jobs.submission import submit
from rigline.review import queue
from rigline.review.decision import Corrections
from rigline.review.ticket import UNDO_WINDOW
from rigline.settings import Settings
from tests.support.ledgers import opened
from tests.support.policies import DOUBTS_EVERY_RIG
from tests.support.small_jobs import Clock
from tests.support.tickets import ANN, LEASE

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "benchmarks/samples/goblin.glb"


def test_a_corrected_avatar_is_a_training_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "training"))
    from rigline_training import reviewed

    (tmp_path / "policy.toml").write_text(DOUBTS_EVERY_RIG)
    settings = Settings(store=str(tmp_path / "store"), policy=tmp_path / "policy.toml")
    services, clock = open_services(settings), Clock()
    with opened(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        data = SAMPLE.read_bytes()
        job = submit(ledger, services, data, SAMPLE.name, creator="carol", now=clock())
        run(ledger, services, job.id, clock)
        before = results_of(ledger, services, job.id)
        elbow = before.value("rig").joints[Part.LEFT_LOWER_ARM] + [0.0, 0.02, 0.0]
        document = {
            "schema_version": 1, "stage": "rig",
            "base_artifact_sha256": before.runs["rig"].sha256,
            "ops": [{
                "op": "move_joint", "joint": PART_NAMES[Part.LEFT_LOWER_ARM],
                "position": elbow.tolist(),
            }],
        }  # fmt: skip
        corrections = parsed_corrections(ledger, services, job.id, [document])
        with ledger.transaction() as work:
            ticket = queue.claim_next(work.tickets, ANN, clock(), LEASE)
            assert ticket is not None
            reviewing.record_decision(
                work, ticket.id, ANN, ticket.fencing_token, clock(),
                decision_id="d1", decision=Corrections(corrections),
            )  # fmt: skip
        clock.wait(UNDO_WINDOW)
        resume(ledger, services, "d1", clock)
        for sample in reviewed_samples(ledger, services):
            assert not isinstance(sample, RiglineError)
            for name, content in sample.files.items():
                write_file(tmp_path / "samples" / sample.name / name, content)

    (character,) = reviewed.reviewed_characters(tmp_path / "samples")
    assert character.joints[Part.LEFT_LOWER_ARM] == pytest.approx(elbow)
    vertices, _, labels = character.merged()
    assert set(labels) == set(range(15))
    assert np.ptp(vertices[:, 1]) == pytest.approx(1, abs=1e-6)
