"""FBX files in text form (7.4) of synthetic bodies, as Maya, Blender and Mixamo lay them out.

The three differ in units, axes and in where they hide the turn between them: Maya writes Y-up
centimetres, Blender Z-up metres or a scaled mesh, Mixamo Y-up centimetres with joints that have
rotations of their own before their pose.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from rigline.avatar.body import PARENT, PART_NAMES
from rigline.avatar.mesh import Floats
from tests.support.bodies import SyntheticBody

UP_AXIS = {"Y": (1, 1, 2, 1, 0, 1), "Z": (2, 1, 1, -1, 0, 1)}
"""UpAxis and sign, FrontAxis and sign, CoordAxis and sign, as the two families write them."""


@dataclass(frozen=True)
class Layout:
    """How a tool writes: the scene's up axis, centimetres in its unit, what prefixes bones, and
    whether joints have a rotation before their own (``PreRotation``)."""

    up: str = "Y"
    unit_cm: float = 1.0
    prefix: str = ""
    pre_rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    mesh_scale: float = 1.0


MAYA = Layout()
BLENDER = Layout(up="Z", unit_cm=100.0)
BLENDER_SCALED = Layout(up="Y", unit_cm=1.0, mesh_scale=100.0)
MIXAMO = Layout(prefix="mixamorig:", pre_rotation=(30.0, -20.0, 10.0))


def fbx_file(
    body: SyntheticBody,
    layout: Layout = MAYA,
    skinned: bool = True,
    polygons: Sequence[Sequence[int]] | None = None,
    texture: bytes | None = None,
) -> bytes:
    """The body, 1 m tall in the world whatever the layout, with UVs, colours and a skin."""
    to_scene = _scene_from_world(layout)
    points = body.vertices @ to_scene.T / layout.mesh_scale
    rows = [list(map(int, row)) for row in (polygons if polygons is not None else body.faces)]
    objects = [_geometry(points, rows, body), _model(2, "Body", "Mesh", scale=layout.mesh_scale)]
    links = [(2, 0), (1, 2)]
    objects.append(_material())
    links.append((3, 2))
    properties = []
    if texture is not None:
        objects += _texture(texture)
        links.append((5, 4))
        properties.append((4, 3, "DiffuseColor"))
    if skinned:
        _add_skin(objects, links, body, to_scene, layout)
    return "\n".join([_head(layout), "Objects:  {", *objects, "}", _connections(links, properties),
                      ""]).encode()  # fmt: skip


def _scene_from_world(layout: Layout) -> Floats:
    """World metres, +Y up and facing +Z, to the scene's axes and unit."""
    turn = np.eye(3) if layout.up == "Y" else Rotation.from_euler("x", 90, degrees=True).as_matrix()
    return turn * (100.0 / layout.unit_cm)


def _head(layout: Layout) -> str:
    up, up_sign, front, front_sign, coord, coord_sign = UP_AXIS[layout.up]
    values = {
        "UpAxis": up, "UpAxisSign": up_sign, "FrontAxis": front, "FrontAxisSign": front_sign,
        "CoordAxis": coord, "CoordAxisSign": coord_sign,
    }  # fmt: skip
    lines = [f'        P: "{name}", "int", "Integer", "",{v}' for name, v in values.items()]
    lines.append(f'        P: "UnitScaleFactor", "double", "Number", "",{layout.unit_cm}')
    return "\n".join([
        "; FBX 7.4.0 project file", "FBXHeaderExtension:  {", "    FBXHeaderVersion: 1003",
        "    FBXVersion: 7400", '    Creator: "tests"', "}", "GlobalSettings:  {",
        "    Version: 1000", "    Properties70:  {", *lines, "    }", "}",
    ])  # fmt: skip


def _array(name: str, values: Any) -> str:
    flat = [repr(v) for v in np.asarray(values).ravel().tolist()]
    return f"        {name}: *{len(flat)} {{\n            a: {','.join(flat)}\n        }}"


def _geometry(points: Floats, rows: list[list[int]], body: SyntheticBody) -> str:
    corners = [index for row in rows for index in row]
    ends = [v if k < len(row) - 1 else -v - 1 for row in rows for k, v in enumerate(row)]
    uvs = uvs_of_corners(body)[corners]
    colours = np.tile([0.25, 0.5, 0.75, 1.0], (len(corners), 1))
    layers = "\n".join([
        "        LayerElementUV: 0 {", '            Name: "map1"',
        '            MappingInformationType: "ByPolygonVertex"',
        '            ReferenceInformationType: "Direct"', _array("UV", uvs), "        }",
        "        LayerElementColor: 0 {", '            Name: "colors"',
        '            MappingInformationType: "ByPolygonVertex"',
        '            ReferenceInformationType: "Direct"', _array("Colors", colours), "        }",
        "        LayerElementMaterial: 0 {", '            MappingInformationType: "AllSame"',
        '            ReferenceInformationType: "IndexToDirect"', _array("Materials", [0]),
        "        }", "        Layer: 0 {",
        *(f'            LayerElement: {{\n                Type: "{kind}"\n'
          "                TypedIndex: 0\n            }"
          for kind in ("LayerElementUV", "LayerElementColor", "LayerElementMaterial")),
        "        }",
    ])  # fmt: skip
    return "\n".join([
        '    Geometry: 1, "Geometry::Body", "Mesh" {', _array("Vertices", points),
        _array("PolygonVertexIndex", ends), "        GeometryVersion: 124", layers, "    }",
    ])  # fmt: skip


def uvs_of_corners(body: SyntheticBody) -> Floats:
    """``(n, 2)`` a UV for each vertex, the origin at the lower left as FBX has it."""
    low, high = body.vertices.min(axis=0), body.vertices.max(axis=0)
    return ((body.vertices - low) / (high - low))[:, :2]


def _model(
    number: int, name: str, kind: str, translation: Floats | None = None, scale: float = 1.0,
    pre_rotation: tuple[float, float, float] = (0.0, 0.0, 0.0), rotation: Floats | None = None,
) -> str:  # fmt: skip
    def row(values: Any) -> str:
        return ",".join(repr(float(v)) for v in values)

    zero = np.zeros(3)
    shift, turn = (zero if v is None else v for v in (translation, rotation))
    lines = [
        f'            P: "Lcl Translation", "Lcl Translation", "", "A",{row(shift)}',
        f'            P: "Lcl Rotation", "Lcl Rotation", "", "A",{row(turn)}',
        f'            P: "Lcl Scaling", "Lcl Scaling", "", "A",{row([scale] * 3)}',
    ]
    if any(pre_rotation):
        lines.append('            P: "RotationActive", "bool", "", "",1')
        lines.append(f'            P: "PreRotation", "Vector3D", "Vector", "",{row(pre_rotation)}')
    return "\n".join([
        f'    Model: {number}, "Model::{name}", "{kind}" {{', "        Version: 232",
        "        Properties70:  {", *lines, "        }", "    }",
    ])  # fmt: skip


def _material() -> str:
    return "\n".join([
        '    Material: 3, "Material::Skin", "" {', "        Version: 102",
        '        ShadingModel: "phong"', "        Properties70:  {",
        '            P: "DiffuseColor", "Color", "", "A",0.8,0.4,0.2', "        }", "    }",
    ])  # fmt: skip


def _texture(data: bytes) -> list[str]:
    return [
        "\n".join([
            '    Texture: 4, "Texture::skin", "" {', '        Type: "TextureVideoClip"',
            '        RelativeFilename: "skin.png"', "    }",
        ]),
        "\n".join([
            '    Video: 5, "Video::skin", "Clip" {', '        Type: "Clip"',
            '        RelativeFilename: "skin.png"',
            f'        Content: ,\n            "{base64.b64encode(data).decode()}"', "    }",
        ]),
    ]  # fmt: skip


def _add_skin(
    objects: list[str], links: list[tuple[int, int]], body: SyntheticBody, to_scene: Floats,
    layout: Layout,
) -> None:  # fmt: skip
    """One bone and cluster for each part. A bone's rotation undoes what comes before it, so that
    all bones stand unturned in the world, with or without pre-rotations."""
    joints = body.joints @ to_scene.T
    before = Rotation.from_euler("xyz", layout.pre_rotation, degrees=True)
    undo = before.inv().as_euler("xyz", degrees=True)
    objects.append('    Deformer: 10, "Deformer::", "Skin" {\n        Version: 101\n    }')
    links.append((10, 1))
    geometry = np.diag([layout.mesh_scale] * 3 + [1.0])
    for part, name in enumerate(PART_NAMES):
        above = PARENT[part]
        offset = joints[part] - (joints[above] if above >= 0 else 0)
        objects.append(_model(100 + part, layout.prefix + name, "LimbNode", offset,
                              pre_rotation=layout.pre_rotation, rotation=undo))  # fmt: skip
        links.append((100 + part, 100 + above if above >= 0 else 0))
        world = np.eye(4)
        world[:3, 3] = joints[part]
        own = np.flatnonzero(body.part == part)
        objects.append("\n".join([
            f'    Deformer: {200 + part}, "SubDeformer::", "Cluster" {{', "        Version: 100",
            _array("Indexes", own), _array("Weights", np.ones(len(own))),
            _array("Transform", (np.linalg.inv(world) @ geometry).T),
            _array("TransformLink", world.T), "    }",
        ]))  # fmt: skip
        links += [(200 + part, 10), (100 + part, 200 + part)]


def _connections(links: list[tuple[int, int]], properties: list[tuple[int, int, str]]) -> str:
    lines = [f'    C: "OO",{child},{parent}' for child, parent in links]
    lines += [f'    C: "OP",{child},{parent}, "{name}"' for child, parent, name in properties]
    return "\n".join(["Connections:  {", *lines, "}"])
