"""The rules on meshes, triangles, visibility and size."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from rigline.avatar.marketplace.rule import (
    BODIES,
    BOTH,
    MARKETPLACE,
    MESHES,
    VALIDATION,
    Rule,
    limits,
)

REDUCE: Final = "Reduce the triangles of these parts, keeping the outline and the joints."

MESH_RULES: Final = (
    Rule("mesh.parts", "Fifteen meshes <Part>_Geo", BODIES, "error", MARKETPLACE,
         limits(count=15), "meshes",
         remedy="Cut the body at its joints and name the pieces <Part>_Geo, each once."),
    Rule("mesh.watertight", "Parts are closed, the Head excepted", BODIES, "error", MARKETPLACE,
         limits(most=0), "open parts",
         remedy="Cap the limb where it was cut, fill its holes and merge doubled vertices."),
    Rule("mesh.islands", "A part has few separate pieces", BODIES, "error", MARKETPLACE,
         limits(most=10), "pieces", remedy="Join the pieces into one surface, or remove some."),
    Rule("mesh.ngons", "Every face is a triangle or a quad", MESHES, "error", MARKETPLACE,
         limits(most=0), "faces", remedy="Triangulate the mesh; remove loose edges and points.",
         disagreement="“Quads where possible”: triangles and quads pass, larger faces do not, nor "
         "do the lines and points that glTF can draw."),
    Rule("mesh.degenerate", "No triangle has zero area", MESHES, "error", MARKETPLACE,
         limits(most=0), "triangles",
         remedy="Dissolve degenerate faces (Blender: Mesh > Clean Up > Degenerate Dissolve)."),
    Rule("mesh.thickness", "A part has some volume", MESHES, "error", MARKETPLACE,
         limits(least=1e-4), "studs", remedy="Give the sheet a thickness (Blender: Solidify).",
         disagreement="No number is published for “0 thickness”; ours is the mean thickness, twice "
         "the volume over the area."),
    Rule("mesh.part_axes", "Each axis of a part's box is within bounds", VALIDATION, "error",
         MARKETPLACE, limits(least=0.05, most=4.0), "studs",
         remedy="Scale the part, or move the cut between it and its neighbour."),
    Rule("mesh.transforms", "Transforms are frozen", MESHES, "error", MARKETPLACE,
         limits(tolerance=1e-3),
         remedy="Apply location, rotation and scale of the mesh and of what it hangs on.",
         disagreement="No tolerance is published; ours is on the entries of the matrix."),
    Rule("triangles.head", "Triangles of the head", BODIES, "error", MARKETPLACE,
         limits(most=4000), "triangles", remedy=REDUCE),
    Rule("triangles.torso", "Triangles of both torso parts", BODIES, "error", MARKETPLACE,
         limits(most=1750), "triangles", remedy=REDUCE),
    Rule("triangles.arm", "Triangles of each arm", BODIES, "error", MARKETPLACE,
         limits(most=1248), "triangles", remedy=REDUCE),
    Rule("triangles.leg", "Triangles of each leg", BODIES, "error", MARKETPLACE,
         limits(most=1248), "triangles", remedy=REDUCE),
    Rule("triangles.total", "Triangles of the whole body", BODIES, "error", MARKETPLACE,
         limits(most=10742), "triangles", remedy=REDUCE,
         follows_from=("triangles.head", "triangles.torso", "triangles.arm", "triangles.leg")),
    Rule("visibility.opaque", "The body is fully opaque", VALIDATION, "error", MARKETPLACE,
         remedy="Set the material's alpha mode to OPAQUE."),
    Rule("visibility.coverage", "An asset covers at least half of its box from each side",
         VALIDATION, "error", MARKETPLACE, limits(least=0.5), "share of the box",
         remedy="Remove what sticks out far and thin, or fill the part out.",
         disagreement="The document speaks of assets (“Torso, Left Arm, Right Leg”), not of the "
         "fifteen meshes in them: the six are judged, the fifteen are a hint. No frame of the box "
         "is published; limbs are measured along their bones, straight below the first joint."),
    Rule("visibility.mesh_coverage", "A mesh covers at least half of its box from each side",
         VALIDATION, "warning", MARKETPLACE, limits(least=0.5), "share of the box",
         remedy="Remove what sticks out far and thin, or move the cut to the neighbour.",
         disagreement="The stricter reading of visibility.coverage, mesh by mesh. A hint alone: "
         "a bent or slanting limb is cut into meshes that leave much of their boxes empty."),
)  # fmt: skip

SMALLEST: Final = MappingProxyType(
    {
        "head": (0.5, 0.5, 0.5),
        "arm": (0.25, 1.5, 0.25),
        "torso": (0.85, 1.7, 0.7),
        "leg": (0.25, 1.4, 0.5),
        "total": (1.35, 3.6, 0.7),
    }
)
"""Smallest sizes in studs, along X, Y and Z, for all body types."""

LARGEST: Final = MappingProxyType(
    {
        "head": {"normal": (3.0, 2.0, 2.0), "slender": (2.0, 2.0, 2.0), "classic": (1.5, 1.8, 2.0)},
        "arm": {"normal": (2.0, 4.5, 2.0), "slender": (1.5, 4.0, 2.0), "classic": (2.0, 3.0, 2.0)},
        "torso": {
            "normal": (4.6, 3.5, 2.25),
            "slender": (3.0, 3.5, 2.0),
            "classic": (4.0, 3.8, 2.0),
        },
        "leg": {"normal": (1.5, 4.0, 2.0), "slender": (1.5, 4.0, 2.0), "classic": (1.5, 3.5, 2.0)},
        "total": {
            "normal": (8.6, 9.5, 2.25),
            "slender": (6.0, 9.5, 2.0),
            "classic": (8.0, 9.1, 2.0),
        },
    }
)
"""Largest sizes in studs, along X, Y and Z, by body type."""

SIZE_RULES: Final = tuple(
    rule
    for group in SMALLEST
    for rule in (
        Rule(f"size.smallest.{group}", f"Smallest size: {group}", BODIES, "error", BOTH,
             limits(all=SMALLEST[group]), "studs", ("development",),
             remedy="Scale the character up, or make this group larger."),
        Rule(f"size.largest.{group}", f"Largest size: {group}", BODIES, "error", BOTH,
             MappingProxyType(dict(LARGEST[group])), "studs", ("development",),
             remedy="Scale the character down, make this group smaller, or choose a body type "
             "with more room."),
    )
)  # fmt: skip
