"""Anybody's files: what is body, bone and cage in them, and what the verdict says."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from rigline.avatar.body import Part
from rigline.avatar.marketplace.rules import AS_OF, RULES, CheckSettings
from rigline.formats.glb_builder import GlbBuilder
from rigline.formats.rigged_glb import read_rigged
from rigline.validation import FileVerdict, ValidationRequest, validate_file
from rigline.validation.page import html_page
from rigline.validation.subject_of_file import avatar_under_test
from tests.support.avatar_files import FileFlaw, avatar_glb, node_named
from tests.support.avatars import STUDS
from tests.support.bodies import box_body
from tests.support.flawed_avatars import BAD_FILES, good_avatar
from tests.support.glb_files import plain_glb

IN_STUDS = ValidationRequest(studs_per_unit=STUDS)


def broken(verdict: FileVerdict) -> set[str]:
    return {r.rule_id for r in verdict.results if not r.passed}


def test_a_file_is_read_as_it_was_written() -> None:
    written = good_avatar()
    found = avatar_under_test(read_rigged(avatar_glb(written)), STUDS)
    assert found.joint_names == written.joint_names
    assert found.joint_parents == written.joint_parents
    np.testing.assert_allclose(found.joint_positions, written.joint_positions, atol=1e-6)
    np.testing.assert_allclose(found.vertices, written.vertices, atol=1e-6)
    np.testing.assert_array_equal(found.part, written.part)
    np.testing.assert_array_equal(found.weights, written.weights)
    np.testing.assert_array_equal(found.weight_joints, written.weight_joints)
    assert found.images == written.images
    assert [a.name for a in found.attachments] == [a.name for a in written.attachments]
    for ours, theirs in zip(found.attachments, written.attachments, strict=True):
        assert ours.part == theirs.part
        np.testing.assert_allclose(ours.position, theirs.position, atol=1e-6)
        np.testing.assert_allclose(np.abs(ours.rotation @ theirs.rotation), 1, atol=1e-6)


def test_a_turned_bone_does_not_turn_its_attachments_in_the_world() -> None:
    """An attachment's rotation counts in the world, not against its bone."""

    def turn(glb: GlbBuilder) -> None:
        node_named(glb, "LeftHand")["rotation"] = [0.0, 0.0, np.sin(0.5), np.cos(0.5)]
        grip = node_named(glb, "LeftGrip_Att")
        x, y, z, w = grip["rotation"]
        s, c = np.sin(-0.5), np.cos(-0.5)
        grip["rotation"] = [c * x - s * y, c * y + s * x, c * z + s * w, c * w - s * z]

    data = avatar_glb(good_avatar(), FileFlaw(document=turn))
    assert "attachment.grip" not in broken(validate_file(data, "a.glb", IN_STUDS))


def test_our_own_cage_template_is_reported_as_not_conformant_but_no_error() -> None:
    verdict = validate_file(avatar_glb(good_avatar()), "a.glb", IN_STUDS)
    assert broken(verdict) == {"cage.template"}
    assert verdict.conformant


def test_cages_of_unknown_origin_are_not_judged_without_the_template() -> None:
    other = replace(
        good_avatar(),
        cages=tuple(replace(c, uvs=c.uvs * 0.5) for c in good_avatar().cages),
    )
    verdict = validate_file(avatar_glb(other), "a.glb", IN_STUDS)
    assert not broken(verdict)
    assert [r.rule_id for r in verdict.not_applicable] == ["cage.template"]


def test_a_bare_mesh_is_judged_and_lacks_almost_everything() -> None:
    verdict = validate_file(plain_glb(box_body()), "bare.glb", IN_STUDS)
    assert {
        "skeleton.hierarchy", "mesh.parts", "attachment.present", "cage.present", "skin.unweighted",
    } <= broken(verdict)  # fmt: skip
    assert not verdict.conformant


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"solid", "of no format that we know"),
        (avatar_glb(good_avatar())[:900], "truncated"),
        (b'{"asset": {"version": "2.0"}}', "no mesh"),
    ],
)
def test_an_unreadable_file_is_a_verdict(data: bytes, words: str) -> None:
    verdict = validate_file(data, "bad.glb")
    assert words in verdict.error
    assert not verdict.conformant
    assert verdict.to_json()["error"] == verdict.error


def test_the_body_type_and_the_texture_limit_are_settings() -> None:
    tall = BAD_FILES["size.largest.leg"]()
    slender = ValidationRequest(settings=CheckSettings("slender"), studs_per_unit=STUDS)
    assert "size.largest.leg" in broken(validate_file(tall, "a.glb", slender))
    large = BAD_FILES["texture.size"]()
    lenient = ValidationRequest(settings=CheckSettings("normal", "body"), studs_per_unit=STUDS)
    assert "texture.size" not in broken(validate_file(large, "a.glb", lenient))


def test_the_development_preset_counts_a_body_as_five_studs_and_forgives_its_size() -> None:
    small = BAD_FILES["size.smallest.head"]()
    verdict = validate_file(small, "a.glb", ValidationRequest("development"))
    assert verdict.subject is not None
    assert verdict.subject.studs_per_unit * verdict.subject.height == pytest.approx(5.0)
    found = next(r for r in verdict.results if r.rule_id == "size.smallest.head")
    assert (found.passed, found.severity) == (False, "warning")
    assert "mesh.parts" in {rule.id for rule in verdict.not_checked}


def test_json_has_every_rule_with_measure_limit_place_remedy_document_and_date() -> None:
    verdict = validate_file(BAD_FILES["mesh.watertight"](), "a.glb", IN_STUDS)
    report = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert [rule["rule_id"] for rule in report["rules"]] == [r.id for r in RULES if r.presets]
    assert set(report["not_checked"]) == {r.id for r in RULES if not r.presets}
    for rule in report["rules"]:
        assert {"measured", "limit", "where", "points", "parts", "note"} <= set(rule)
        assert rule["remedy"]
        assert rule["document"]
        assert rule["as_of"] == AS_OF
    assert (report["errors"], report["conformant"]) == (1, False)
    leak = next(r for r in report["rules"] if r["rule_id"] == "mesh.watertight")
    leg = good_avatar().of_part(Part.LEFT_LOWER_LEG)
    for point in leak["points"]:
        assert (np.array(point) >= leg.min(axis=0) - 1e-6).all()
        assert (np.array(point) <= leg.max(axis=0) + 1e-6).all()
    assert leak["points"]


@pytest.mark.parametrize("rule_id", ["mesh.islands", "cage.distance", "skin.unweighted"])
def test_the_page_is_self_contained_and_shows_the_place(rule_id: str) -> None:
    verdict = validate_file(BAD_FILES[rule_id](), "<b>a&b.glb", IN_STUDS)
    page = html_page([verdict])
    assert rule_id in page
    assert "&lt;b&gt;a&amp;b.glb" in page
    assert "<b>" not in page
    pictures = re.findall(r'src="([^"]*)"', page)
    assert len(pictures) == 1
    assert base64.b64decode(pictures[0].removeprefix("data:image/png;base64,"))[:4] == b"\x89PNG"
    assert not re.search(r'(?:href|src)="(?!data:)', page)


def test_the_page_of_an_unreadable_file_says_why() -> None:
    assert "Not read: The file &#x27;a.glb&#x27; is of no format" in html_page(
        [validate_file(b"x", "a.glb")]
    )
