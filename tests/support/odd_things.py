"""Files that hold anything but one standing humanoid, made without the training's generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from scipy.spatial.transform import Rotation

from rigline.avatar.body import Part
from rigline.avatar.mesh import TriangleMesh
from rigline.formats.glb_builder import GlbBuilder
from tests.support.bodies import box_body, capsule_body

Triple = Sequence[float]
LEFT_LEG: Final = (Part.LEFT_UPPER_LEG, Part.LEFT_LOWER_LEG, Part.LEFT_FOOT)
LEGS: Final = (*LEFT_LEG, *(Part(p + 3) for p in LEFT_LEG))
ARMS: Final = tuple(Part(p) for p in range(3, 9))


def mesh_obj(*meshes: TriangleMesh) -> bytes:
    """An OBJ file of bare meshes."""
    lines, first = [], 1
    for mesh in meshes:
        lines += [f"v {x!r} {y!r} {z!r}" for x, y, z in mesh.vertices.tolist()]
        lines += ["f " + " ".join(str(k + first) for k in face) for face in mesh.faces.tolist()]
        first += len(mesh.vertices)
    return ("\n".join(lines) + "\n").encode("ascii")


def box(centre: Triple, half: Triple, turn_deg: Triple = (0, 0, 0)) -> TriangleMesh:
    """A closed box, turned about its centre."""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    turn = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    faces = [t for a, b, c, d in sides for t in ((a, b, c), (a, c, d))]
    return TriangleMesh(signs * half @ turn.T + centre, np.array(faces))


def ball(centre: Triple, half: Triple, n: int = 12) -> TriangleMesh:
    """A closed ellipsoid."""
    up, around = np.meshgrid(np.linspace(0, np.pi, n), np.linspace(0, 2 * np.pi, n), indexing="ij")
    unit = np.stack([np.sin(up) * np.cos(around), np.cos(up), np.sin(up) * np.sin(around)], axis=-1)
    i, j = np.meshgrid(np.arange(n - 1), np.arange(n - 1), indexing="ij")
    a = (i * n + j).ravel()
    faces = np.concatenate([np.c_[a, a + 1, a + n], np.c_[a + 1, a + n + 1, a + n]])
    return TriangleMesh(unit.reshape(-1, 3) * half + centre, faces)


def dog() -> bytes:
    """A beast on four legs, facing +Z."""
    legs = [box((x, 0.2, z), (0.04, 0.2, 0.05)) for x in (-0.12, 0.12) for z in (-0.35, 0.35)]
    trunk, neck = ball((0, 0.5, 0), (0.17, 0.17, 0.48)), box((0, 0.66, 0.48), (0.07, 0.16, 0.08))
    head, snout = ball((0, 0.85, 0.6), (0.12, 0.12, 0.16)), box((0, 0.8, 0.78), (0.05, 0.05, 0.1))
    tail = box((0, 0.62, -0.6), (0.03, 0.03, 0.2), (35, 0, 0))
    ears = [box((x, 0.98, 0.55), (0.03, 0.07, 0.02)) for x in (-0.08, 0.08)]
    return mesh_obj(trunk, neck, head, snout, tail, *legs, *ears)


def table() -> bytes:
    legs = [box((x, 0.35, z), (0.03, 0.35, 0.03)) for x in (-0.5, 0.5) for z in (-0.3, 0.3)]
    return mesh_obj(box((0, 0.72, 0), (0.6, 0.03, 0.4)), *legs)


def sword() -> bytes:
    blade, guard = box((0, 1.0, 0), (0.04, 0.6, 0.01)), box((0, 0.38, 0), (0.16, 0.025, 0.03))
    return mesh_obj(
        blade, guard, box((0, 0.2, 0), (0.025, 0.16, 0.025)), ball((0, 0, 0), (0.05,) * 3)
    )


def cube() -> bytes:
    return mesh_obj(box((0, 0.5, 0), (0.5, 0.5, 0.5)))


def tree() -> bytes:
    crown = ball((0, 1.3, 0), (0.5, 0.55, 0.5))
    return mesh_obj(box((0, 0.45, 0), (0.08, 0.45, 0.08)), crown)


def car() -> bytes:
    wheels = [ball((x, 0.18, z), (0.06, 0.18, 0.18)) for x in (-0.4, 0.4) for z in (-0.6, 0.6)]
    return mesh_obj(
        box((0, 0.35, 0), (0.42, 0.17, 1.0)), box((0, 0.65, -0.1), (0.36, 0.16, 0.5)), *wheels
    )


def single_triangle() -> bytes:
    return b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


def seated() -> bytes:
    """A capsule body on a stool, thighs level and shins hanging down."""
    body = capsule_body(pose="I")
    vertices = body.vertices.copy()
    for part in (Part.LEFT_UPPER_LEG, Part.RIGHT_UPPER_LEG):
        leg = np.isin(body.part, (part, part + 1, part + 2))
        hip, knee = body.joints[part], body.joints[part + 1]
        forward = Rotation.from_euler("x", -90, degrees=True).as_matrix()
        vertices[leg] = (vertices[leg] - hip) @ forward.T + hip
        new_knee = forward @ (knee - hip) + hip
        shin = np.isin(body.part, (part + 1, part + 2))
        vertices[shin] = (vertices[shin] - new_knee) @ forward + new_knee
    stool = box((0, 0.33, 0.02), (0.13, 0.1, 0.13))
    return mesh_obj(TriangleMesh(vertices, body.faces), stool)


def two_characters() -> bytes:
    one, other = capsule_body(pose="A"), box_body(pose="A")
    return mesh_obj(one.mesh, TriangleMesh(other.vertices + [0.95, 0, 0], other.faces))


def bust() -> bytes:
    """Head and chest on a plinth."""
    upper = capsule_body(pose="I").without(*LEGS, *ARMS, Part.LOWER_TORSO).mesh
    return mesh_obj(upper, box((0, 0.5, 0), (0.15, 0.08, 0.15)))


def lone_hand() -> bytes:
    fingers = [box((x, 0.3, 0), (0.03, 0.16, 0.03)) for x in (-0.12, -0.04, 0.04, 0.12)]
    return mesh_obj(
        box((0, 0, 0), (0.17, 0.16, 0.05)),
        *fingers,
        box((0.24, 0.02, 0), (0.1, 0.03, 0.03), (0, 0, 40)),
    )


def empty_scene() -> bytes:
    glb = GlbBuilder("tests")
    glb.document["scenes"] = [{"nodes": [glb.add("nodes", {"name": "Empty"})]}]
    return glb.to_bytes()


ODD_THINGS: Final[tuple[Callable[[], bytes], ...]] = (
    dog, table, sword, cube, tree, car, single_triangle, seated, two_characters, bust, lone_hand,
)  # fmt: skip
"""Makers of OBJ files."""
