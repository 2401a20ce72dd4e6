"""Previews: what a moved joint gives, as corrections that can be decided, with nothing kept."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load

from rigline.avatar.body import Part
from rigline.desk.preview_pool import Previewed, PreviewJob, PreviewPool, preview_edits
from rigline.desk.ticket_page import TicketPage, preview_job, ticket_page
from rigline.engine.override import Override
from rigline.errors import InvalidInput, ServiceUnavailable
from tests.desk.conftest import ReviewedJob

PLACE = [0.3, 0.6, 0.02]
ELBOW = {"rig": [{"op": "move_joint", "joint": "LeftLowerArm", "position": PLACE}]}


@pytest.fixture
def page(reviewed_job: ReviewedJob) -> TicketPage:
    return ticket_page(reviewed_job.ledger, "liz", reviewed_job.ticket_id, reviewed_job.clock())


@pytest.fixture
def job(page: TicketPage, reviewed_job: ReviewedJob) -> PreviewJob:
    return preview_job(page, reviewed_job.services.store)


def test_a_moved_joint_changes_what_depends_on_it(
    reviewed_job: ReviewedJob, page: TicketPage, job: PreviewJob
) -> None:
    before = sum(1 for _ in reviewed_job.services.store.blobs())
    found = preview_edits(reviewed_job.services, job, ELBOW)
    assert set(found.outputs) == {"rig", "skin", "cage", "attach"}
    assert found.sha256s["segment"] == page.runs["segment"].sha256
    joints = load(found.outputs["rig"])["joints"]
    np.testing.assert_array_equal(joints[Part.LEFT_LOWER_ARM], PLACE)
    (correction,) = found.corrections
    assert correction.base_artifact_sha256 == page.runs["rig"].sha256
    assert sum(1 for _ in reviewed_job.services.store.blobs()) == before


def test_what_nobody_looks_at_is_not_computed(reviewed_job: ReviewedJob, job: PreviewJob) -> None:
    quick = replace(job, unseen=frozenset({"cage"}))
    whole = preview_edits(reviewed_job.services, job, ELBOW)
    found = preview_edits(reviewed_job.services, quick, ELBOW)
    assert set(found.outputs) == {"rig", "skin", "attach"}
    assert found.corrections == whole.corrections
    pull = {"op": "move_cage_vertices", "vertices": [3], "positions": [[0.1, 0.2, 0.3]]}
    edited = preview_edits(reviewed_job.services, quick, {"cage": [pull], **ELBOW})
    assert "cage" in edited.outputs


def test_a_later_stage_is_corrected_upon_the_earlier_one(
    reviewed_job: ReviewedJob, job: PreviewJob
) -> None:
    alone = preview_edits(reviewed_job.services, job, ELBOW)
    pull = {"op": "move_cage_vertices", "vertices": [3], "positions": [[0.1, 0.2, 0.3]]}
    both = preview_edits(reviewed_job.services, job, {"cage": [pull], **ELBOW})
    rig, cage = both.corrections
    assert (rig.stage, cage.stage) == ("rig", "cage")
    assert cage.base_artifact_sha256 == alone.sha256s["cage"]
    np.testing.assert_array_equal(load(both.outputs["cage"])["vertices"][3], [0.1, 0.2, 0.3])


def test_what_was_corrected_before_stays_in_force(
    reviewed_job: ReviewedJob, page: TicketPage, job: PreviewJob
) -> None:
    first = preview_edits(reviewed_job.services, job, ELBOW)
    sha256 = reviewed_job.services.store.put(first.outputs["rig"])
    override = Override("rig", page.runs["rig"].sha256, sha256)
    corrected = PreviewJob(job.pipeline, job.params, job.asset_sha256, job.asset_name, (override,))
    knee = {"op": "move_joint", "joint": "LeftLowerLeg", "position": [0.1, 0.25, 0.0]}
    again = preview_edits(reviewed_job.services, corrected, {"rig": [knee]})
    assert again.corrections[0].base_artifact_sha256 == sha256
    joints = load(again.outputs["rig"])["joints"]
    np.testing.assert_array_equal(joints[Part.LEFT_LOWER_ARM], PLACE)


@pytest.mark.parametrize(
    "edits",
    [
        {"rig": [{"op": "move_joint", "joint": "Tail", "position": PLACE}]},
        {"segment": [{"op": "relabel", "part": "Head", "vertices": [10**6]}]},
        {"assemble": [{"op": "move_joint", "joint": "Head", "position": PLACE}]},
        {"ingest": [{"op": "set_front", "front": [0.0, 0.0, 1.0]}]},
    ],
)
def test_edits_that_do_not_fit_are_refused(
    reviewed_job: ReviewedJob, job: PreviewJob, edits: dict[str, list[dict[str, object]]]
) -> None:
    with pytest.raises(InvalidInput):
        preview_edits(reviewed_job.services, job, edits)


def test_a_pool_gives_the_same_and_refuses_what_is_too_much(
    reviewed_job: ReviewedJob, job: PreviewJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = PreviewPool(reviewed_job.services.settings, 1)
    try:
        found = pool.preview(job, ELBOW)
        assert isinstance(found, Previewed)
        assert found.sha256s == preview_edits(reviewed_job.services, job, ELBOW).sha256s
        with pytest.raises(InvalidInput):
            pool.preview(job, {"cage": [{"op": "move_joint"}]})
        monkeypatch.setattr("rigline.desk.preview_pool.WAIT_S", 0.0)
        monkeypatch.setattr(pool, "_places", threading.BoundedSemaphore(1))
        pool._places.acquire()
        with pytest.raises(ServiceUnavailable, match="Too many"):
            pool.preview(job, ELBOW)
        pool.warm(job)  # when all are busy, nothing
    finally:
        pool.close()
