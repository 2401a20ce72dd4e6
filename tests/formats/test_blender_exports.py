"""FBX files that Blender's own exporter wrote, with options that few leave alone.

Made by ``python -m benchmarks.fbx_exports BODY.glb --only odd_axes --blender PYTHON --keep DIR``,
which has the options, with Blender 5.0: ``odd_units`` of ``skinned_glb(box_body(1))``, ``odd_axes``
of the same body in a pose, its right hand a mesh without skin on its bone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from rigline.avatar.body import PARENT, PART_NAMES, Part
from rigline.avatar.rig_names import map_rig
from rigline.formats import read_model
from tests.support.bodies import box_body
from tests.support.glb_files import held_glb

pytest.importorskip("ufbx", reason="the extra fbx is not installed")

BODY = box_body(1)
TURNED = BODY.moved(Rotation.from_euler("y", 90, degrees=True).as_matrix())
EXPORTS = {"odd_axes": (BODY, 0.01), "odd_units": (TURNED, 1.0)}
"""The body as the file shows it, and its height in metres."""


@pytest.mark.parametrize("name", EXPORTS)
def test_the_body_stands_upright_in_its_size_with_its_rig(name: str) -> None:
    body, tall = EXPORTS[name]
    model = read_model((Path(__file__).parent / "blender_exports" / f"{name}.fbx").read_bytes())
    found = model.mesh.vertices / tall
    assert len(model.mesh.faces) == len(body.faces)
    gap, near = cKDTree(body.vertices).query(found)
    assert gap.max() < 1e-5
    assert len(np.unique(near)) == len(body.vertices)
    rig = model.rig
    assert rig is not None
    assert sorted(rig.names) == sorted(PART_NAMES)
    number = [rig.names.index(name) for name in PART_NAMES]
    assert [rig.parents[k] for k in number] == [-1 if p < 0 else number[p] for p in PARENT]
    np.testing.assert_allclose(rig.positions[number] / tall, body.joints, atol=2e-5)
    mapped = map_rig(rig.names, rig.parents, rig.positions)
    np.testing.assert_allclose(mapped.joints / tall, body.joints, atol=2e-5)
    np.testing.assert_array_equal(rig.joints[:, 0], np.array(number)[body.part[near]])
    np.testing.assert_array_equal(rig.weights[:, 0], 1)


def test_the_body_with_a_thing_in_its_hand_is_what_it_was_made_of() -> None:
    model = read_model(held_glb(BODY, Part.RIGHT_HAND, scale=1.0))
    gap, near = cKDTree(BODY.vertices).query(model.mesh.vertices)
    assert gap.max() < 1e-6
    assert model.rig is not None
    np.testing.assert_array_equal(model.rig.joints[:, 0], BODY.part[near])


def test_the_sphere_that_bones_are_drawn_with_is_left_out() -> None:
    model = read_model((Path(__file__).parent / "blender_exports" / "odd_axes.fbx").read_bytes())
    assert any("drawing bones" in warning for warning in model.warnings)
