"""Realistic bodies of all builds and ages from the parametric body model of the `anny` package.

The convention of parts and joints is set here, once. Rigs in the wild disagree with each other, so
the joints of the anatomical model are moved to where the average human game rig has them, and the
part boundaries with them (shares of body height; see docs/conventions.md).
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from rigline.avatar.body import N_PARTS, Part
from rigline_training.character import Floats, Ints

BONE_OF_JOINT = (
    "neck01", "spine02", "root",
    "upperarm01.L", "lowerarm01.L", "wrist.L", "upperarm01.R", "lowerarm01.R", "wrist.R",
    "upperleg01.L", "lowerleg01.L", "foot.L", "upperleg01.R", "lowerleg01.R", "foot.R",
)  # fmt: skip

JOINT_SHIFT = {
    Part.HEAD: (0.0, -0.012, 0.0),
    Part.UPPER_TORSO: (0.0, 0.0, 0.014),
    Part.LOWER_TORSO: (0.0, -0.014, 0.012),
    Part.LEFT_UPPER_LEG: (0.005, -0.008, 0.008),
    Part.RIGHT_UPPER_LEG: (-0.005, -0.008, 0.008),
    Part.LEFT_LOWER_LEG: (0.0, 0.013, 0.007),
    Part.RIGHT_LOWER_LEG: (0.0, 0.013, 0.007),
}
"""(left, up, forward) shift of a joint, in shares of height."""

ELBOW_BACK, WRIST_BACK = 0.011, 0.009
"""How far elbow and wrist move up their own bone, in shares of height."""

WAIST_TOWARDS_SPINE03 = 0.2

BOUNDARY_SHIFT = (
    (Part.LEFT_LOWER_ARM, Part.LEFT_UPPER_ARM, -0.007),
    (Part.RIGHT_LOWER_ARM, Part.RIGHT_UPPER_ARM, -0.007),
    (Part.LEFT_HAND, Part.LEFT_LOWER_ARM, -0.007),
    (Part.RIGHT_HAND, Part.RIGHT_LOWER_ARM, -0.007),
    (Part.LEFT_LOWER_LEG, Part.LEFT_UPPER_LEG, -0.014),
    (Part.RIGHT_LOWER_LEG, Part.RIGHT_UPPER_LEG, -0.014),
    (Part.LEFT_UPPER_LEG, Part.LOWER_TORSO, -0.008),
    (Part.RIGHT_UPPER_LEG, Part.LOWER_TORSO, -0.008),
    (Part.LEFT_UPPER_ARM, Part.UPPER_TORSO, 0.006),
    (Part.RIGHT_UPPER_ARM, Part.UPPER_TORSO, 0.006),
)
"""(child, parent, shift along the child's bone, away from the body positive)."""

Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""From the model's frame (Z up, facing -Y) to ours."""

BATCH = 48


def part_of_bone(bone: str) -> int:
    """The R15 part that a bone of the model belongs to."""
    right = 3 if bone.endswith(".R") else 0
    table = (
        (("root", "spine05", "spine04", "spine03", "pelvis"), Part.LOWER_TORSO),
        (("spine", "clavicle", "shoulder"), Part.UPPER_TORSO),
        (("neck", "head", "eye"), Part.HEAD),
        (("upperarm",), Part.LEFT_UPPER_ARM + right),
        (("lowerarm",), Part.LEFT_LOWER_ARM + right),
        (("wrist", "finger", "metacarpal"), Part.LEFT_HAND + right),
        (("upperleg",), Part.LEFT_UPPER_LEG + right),
        (("lowerleg",), Part.LEFT_LOWER_LEG + right),
        (("foot", "toe"), Part.LEFT_FOOT + right),
    )
    for prefixes, part in table:
        if bone.startswith(prefixes):
            return int(part)
    raise KeyError(bone)


@dataclass(frozen=True)
class Body:
    """Rest body of height 1 with feet on Y = 0: vertices (V, 3) and joints (15, 3)."""

    vertices: Floats
    joints: Floats


class AnnyBodies:
    """Draws bodies. ``faces`` (F, 3), ``weights`` (V, 15) and ``labels`` (V,) fit every one."""

    def __init__(self) -> None:
        warnings.filterwarnings("ignore")
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        import anny
        import torch

        torch.set_num_threads(1)
        self._torch = torch
        self._model = anny.Anny().to(dtype=torch.float32)
        labels = self._model.bone_labels
        part = np.array([part_of_bone(b) for b in labels])
        weight = self._model.vertex_bone_weights.numpy().astype(float)
        bone = self._model.vertex_bone_indices.numpy()
        self.weights = np.zeros((len(weight), N_PARTS))
        rows = np.repeat(np.arange(len(weight)), weight.shape[1])
        np.add.at(self.weights, (rows, part[bone].ravel()), weight.ravel())
        self.weights /= self.weights.sum(axis=1, keepdims=True)
        self.faces: Ints = self._model.faces.numpy().astype(np.int64)
        self._bones = [labels.index(b) for b in BONE_OF_JOINT]
        self._spine03 = labels.index("spine03")
        self._drawn: list[Body] = []
        mean = self._bodies({k: np.full(1, 0.5) for k in self._model.phenotype_labels})[0]
        self.labels = self._shifted_labels(mean)

    def forget_drawn(self) -> None:
        """Throw away bodies drawn ahead, so that what follows depends on the generator alone."""
        self._drawn = []

    def draw(self, rng: np.random.Generator) -> Body:
        """One body with phenotypes drawn evenly over their range, ends included."""
        if not self._drawn:
            names = self._model.phenotype_labels
            drawn = {k: np.clip(rng.uniform(-0.05, 1.05, BATCH), 0, 1) for k in names}
            self._drawn = self._bodies(drawn)
        return self._drawn.pop()

    def _bodies(self, phenotype: dict[str, Floats]) -> list[Body]:
        torch = self._torch
        count = len(next(iter(phenotype.values())))
        rest = torch.eye(4)[None, None].repeat(count, self._model.bone_count, 1, 1)
        values = {k: torch.tensor(v, dtype=torch.float32) for k, v in phenotype.items()}
        with torch.no_grad():
            out = self._model(pose_parameters=rest, phenotype_kwargs=values)
        vertices = out["rest_vertices"].numpy().astype(float) @ Y_UP.T
        heads = out["rest_bone_heads"].numpy().astype(float) @ Y_UP.T
        return [self._body(v, h) for v, h in zip(vertices, heads, strict=True)]

    def _body(self, vertices: Floats, heads: Floats) -> Body:
        height = np.ptp(vertices[:, 1])
        floor = np.array([0, vertices[:, 1].min(), 0])
        vertices, heads = (vertices - floor) / height, (heads - floor) / height
        joints = heads[self._bones].copy()
        towards = heads[self._spine03] - joints[Part.UPPER_TORSO]
        joints[Part.UPPER_TORSO] += WAIST_TOWARDS_SPINE03 * towards
        for part, shift in JOINT_SHIFT.items():
            joints[part] += shift
        for shoulder in (Part.LEFT_UPPER_ARM, Part.RIGHT_UPPER_ARM):
            s, e, w = joints[shoulder], joints[shoulder + 1].copy(), joints[shoulder + 2].copy()
            joints[shoulder + 1] += ELBOW_BACK * (s - e) / np.linalg.norm(s - e)
            joints[shoulder + 2] += WRIST_BACK * (e - w) / np.linalg.norm(e - w)
        return Body(vertices, joints)

    def _shifted_labels(self, mean: Body) -> Ints:
        """Labels by largest weight, with the boundaries moved along the bones on the mean body."""
        labels = self.weights.argmax(axis=1)
        shifted = labels.copy()
        joints = mean.joints
        for child, parent, shift in BOUNDARY_SHIFT:
            hand = child in (Part.LEFT_HAND, Part.RIGHT_HAND)
            along = joints[child] - joints[parent] if hand else joints[child + 1] - joints[child]
            along = along / np.linalg.norm(along)
            both = np.flatnonzero((labels == child) | (labels == parent))
            points = mean.vertices[both]
            source = cKDTree(points).query(points - shift * along)[1]
            shifted[both] = labels[both][source]
        return shifted
