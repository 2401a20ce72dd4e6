"""Bodies as GLB under Draco and under meshopt; needs the extra ``compression``."""

from __future__ import annotations

from typing import Any

import numpy as np

from rigline.formats.glb_builder import GlbBuilder
from tests.support.bodies import box_body

BODY = box_body(4)
POINTS = BODY.vertices.astype(np.float32)
UVS = np.random.default_rng(1).random((len(POINTS), 2)).astype(np.float32)
BONES = np.stack([BODY.part, 0 * BODY.part, 0 * BODY.part, 0 * BODY.part], axis=1).astype(np.uint16)


def draco_glb() -> bytes:
    """Positions, UVs and bones in Draco bytes alone."""
    import DracoPy

    data = DracoPy.encode(
        POINTS, BODY.faces.astype(np.uint32), quantization_bits=16, preserve_order=True,
        tex_coord=UVS.astype(float), tex_coord_quantization_bits=16, generic_attributes={7: BONES},
    )  # fmt: skip
    ids = {a["attribute_type"]: a["unique_id"] for a in DracoPy.decode(data).attributes}
    glb = GlbBuilder("tests")
    view = glb.add_bytes(data)
    count = len(POINTS)
    accessors = {
        "POSITION": {"componentType": 5126, "count": count, "type": "VEC3",
                     "min": POINTS.min(axis=0).tolist(), "max": POINTS.max(axis=0).tolist()},
        "TEXCOORD_0": {"componentType": 5126, "count": count, "type": "VEC2"},
        "JOINTS_0": {"componentType": 5123, "count": count, "type": "VEC4"},
    }  # fmt: skip
    attributes = {name: glb.add("accessors", accessor) for name, accessor in accessors.items()}
    corners = {"componentType": 5125, "count": BODY.faces.size, "type": "SCALAR"}
    extension = {
        "bufferView": view,
        "attributes": {"POSITION": ids[0], "TEXCOORD_0": ids[3], "JOINTS_0": 7},
    }
    primitive = {
        "attributes": attributes,
        "indices": glb.add("accessors", corners),
        "extensions": {"KHR_draco_mesh_compression": extension},
    }
    glb.document["extensionsUsed"] = ["KHR_draco_mesh_compression"]
    glb.document["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    return scene(glb, primitive)


def meshopt_glb(
    name: str = "EXT_meshopt_compression", payloads: list[bytes] | None = None
) -> bytes:
    """Positions as attributes, indices as triangles, normals under the octahedral filter;
    ``payloads`` take the place of those three."""
    import meshoptimizer

    glb = GlbBuilder("tests")
    count = len(POINTS)
    # As vertices are stored by the tools: positions in the order that the triangles visit.
    faces = BODY.faces.astype(np.uint32).ravel()
    points = meshoptimizer.encode_vertex_buffer(POINTS, count, 12)
    normals = meshoptimizer.encode_vertex_buffer(octahedral(), count, 4)
    corners = meshoptimizer.encode_index_buffer(faces, faces.size, count)
    views = [
        meshopt_view(glb, name, points, count, 12),
        meshopt_view(glb, name, normals, count, 4, "OCTAHEDRAL"),
        meshopt_view(glb, name, corners, BODY.faces.size, 4, mode="TRIANGLES"),
    ]
    kinds = [(5126, count, "VEC3", {}), (5120, count, "VEC3", {"normalized": True}),
             (5125, BODY.faces.size, "SCALAR", {})]  # fmt: skip
    accessors = [
        glb.add(
            "accessors", {"bufferView": view, "componentType": c, "count": n, "type": t, **more}
        )
        for view, (c, n, t, more) in zip(views, kinds, strict=True)
    ]
    glb.document["extensionsUsed"] = glb.document["extensionsRequired"] = [name]
    attributes = {"POSITION": accessors[0], "NORMAL": accessors[1]}
    return scene(glb, {"attributes": attributes, "indices": accessors[2]})


def octahedral() -> np.ndarray:
    """``(n, 4)`` int8: unit vectors as the filter has them, out of the body's middle."""
    outwards = POINTS - POINTS.mean(axis=0)
    flat = outwards / np.abs(outwards).sum(axis=1, keepdims=True)
    folded = (1 - np.abs(flat[:, [1, 0]])) * np.where(flat[:, :2] < 0, -1, 1)
    plane = np.where(flat[:, 2:] < 0, folded, flat[:, :2])
    stored = np.zeros((len(POINTS), 4), np.int8)
    stored[:, :2] = np.round(127 * plane)
    stored[:, 2] = 127
    return stored


def meshopt_view(
    glb: GlbBuilder, name: str, data: bytes, count: int, stride: int, kind: str = "NONE",
    mode: str = "ATTRIBUTES",
) -> int:  # fmt: skip
    view = glb.add_bytes(bytes(data))
    own = glb.document["bufferViews"][view]
    extension = {**own, "byteStride": stride, "count": count, "mode": mode, "filter": kind}
    own["byteLength"] = count * stride
    if mode == "ATTRIBUTES":
        own["byteStride"] = stride
    own["extensions"] = {name: extension}
    return view


def scene(glb: GlbBuilder, primitive: dict[str, Any]) -> bytes:
    glb.add("meshes", {"primitives": [primitive]})
    glb.add("nodes", {"name": "Body", "mesh": 0})
    glb.document["scenes"] = [{"nodes": [0]}]
    glb.document["scene"] = 0
    return glb.to_bytes()
