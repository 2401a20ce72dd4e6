"""The finished avatar as the checks see it: arrays alone, and measures of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from rigline.avatar.attachments import AttachmentPoint
from rigline.avatar.body import N_PARTS, PART_NAMES
from rigline.avatar.mesh import Floats, Ints, TriangleMesh, weld
from rigline.avatar.surface_queries import SurfaceSamples, lattice_samples
from rigline.errors import InvalidInput

SAMPLES_A_HEIGHT = 80
SAMPLE_BUDGET = 24_000


@dataclass(frozen=True, eq=False)
class CageUnderTest:
    """One cage: ``vertices (c, 3)`` in the frame of the body, ``faces (f, 3)``, ``uvs (c, 2)``."""

    name: str
    vertices: Floats
    faces: Ints
    uvs: Floats


@dataclass(frozen=True)
class ImageUnderTest:
    """A texture: ``role`` is base_color, normal, metalness, roughness, or some other use."""

    role: str
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class AvatarUnderTest:
    """A finished body at rest, in a frame with +Y up and the front at +Z, the floor at Y = 0.

    ``vertices (N, 3)``, ``faces (M, 3)``, ``part (N,)`` in 0…14. ``joint_names``, ``joint_parents``
    (indices, -1 at the top) and ``joint_positions (J, 3)`` (absolute) cover every bone, Root
    included; ``joint_rotations (J, 4)`` (x, y, z, w) and ``joint_scales (J, 3)`` are their own,
    relative to the parent, None where not known. ``weight_joints`` and ``weights (N, K)`` name
    bones by index. ``studs_per_unit`` scales lengths. ``partitioned`` says that the body has been
    cut into meshes, one a part; ``mesh_names`` names its meshes, and ``mesh_turns (m, 3, 3)`` are
    the linear parts of their nodes' transforms. ``weight_rows`` is how many rows of weights the
    file has, where that is not their number here; ``other_faces`` counts faces that are neither
    triangles nor quads.
    ``cage_template_conformant`` is None where no official template is at hand to compare with. The
    rest says what the materials are like.

    Raises ``InvalidInput`` where array shapes do not belong together.
    """

    vertices: Floats
    faces: Ints
    part: Ints
    joint_names: tuple[str, ...]
    joint_parents: tuple[int, ...]
    joint_positions: Floats
    weight_joints: Ints
    weights: Floats
    cages: tuple[CageUnderTest, ...]
    attachments: tuple[AttachmentPoint, ...]
    studs_per_unit: float
    cage_template_conformant: bool | None = False
    joint_rotations: Floats | None = None
    joint_scales: Floats | None = None
    uvs: Floats | None = None
    uv_sets: int = 1
    vertex_colours: Floats | None = None
    opaque: bool | None = None
    images: tuple[ImageUnderTest, ...] = ()
    partitioned: bool = False
    mesh_names: tuple[str, ...] = field(default=())
    mesh_turns: Floats | None = None
    weight_rows: int | None = None
    other_faces: int = 0

    def __post_init__(self) -> None:
        mesh = TriangleMesh(self.vertices, self.faces)
        if self.part.shape != (len(mesh.vertices),):
            raise InvalidInput("Each vertex needs a part.", shape=self.part.shape)
        count = len(self.joint_names)
        if len(self.joint_parents) != count or self.joint_positions.shape != (count, 3):
            raise InvalidInput("Names, parents and positions of the joints differ in number.")
        if self.weights.ndim != 2 or self.weights.shape != self.weight_joints.shape:
            raise InvalidInput("Each weight needs a joint.", shape=self.weights.shape)
        if self.weight_joints.size and not 0 <= self.weight_joints.min() <= (
            self.weight_joints.max()
        ) < max(count, 1):
            raise InvalidInput("A weight names a joint that does not exist.")
        if not self.studs_per_unit > 0:
            raise InvalidInput("The scale must be positive.", scale=self.studs_per_unit)

    @cached_property
    def height(self) -> float:
        """Extent of the body in Y, in its own unit."""
        return max(float(np.ptp(self.vertices[:, 1])), 1e-12)

    @cached_property
    def joint_index(self) -> Mapping[str, int]:
        """Index of each bone by its name; of bones with one name the first."""
        return {name: i for i, name in reversed(list(enumerate(self.joint_names)))}

    @cached_property
    def joints(self) -> Floats:
        """``(15, 3)`` positions of the R15 joints, NaN for a missing one."""
        found = np.full((N_PARTS, 3), np.nan)
        for part, name in enumerate(PART_NAMES):
            if name in self.joint_index:
                found[part] = self.joint_positions[self.joint_index[name]]
        return found

    @cached_property
    def face_part(self) -> Ints:
        """``(M,)`` the part of each triangle: the one that two of its corners share."""
        return np.sort(self.part[self.faces], axis=1)[:, 1]

    @cached_property
    def samples(self) -> SurfaceSamples:
        """Samples of the surface, dense enough to find the nearest point of it."""
        pitch = self.height / SAMPLES_A_HEIGHT
        return lattice_samples(self.vertices, self.faces, pitch, SAMPLE_BUDGET, self.part)

    @cached_property
    def welded_faces(self) -> Ints:
        """``(M, 3)`` the triangles over vertices that are merged where they coincide."""
        return np.asarray(weld(self.vertices)[1][self.faces])

    def of_part(self, part: int) -> Floats:
        """The vertices of a part, ``(n, 3)``."""
        return np.asarray(self.vertices[self.part == part])
