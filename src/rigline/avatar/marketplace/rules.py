"""The rules of the published character specification, as data.

They restate facts of Roblox's documents on character bodies, dynamic heads, meshes, textures and
validation as of ``AS_OF``. Where two documents disagree, the limit is a setting of
:class:`CheckSettings` and the rule's ``disagreement`` says so. ``face.*`` rules are listed but
belong to no preset: Rigline makes no face poses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

Severity = Literal["error", "warning", "info"]
Preset = Literal["development", "marketplace"]
BodyType = Literal["normal", "slender", "classic"]

AS_OF: Final = "2026-08-22"
BOTH: Final[tuple[Preset, ...]] = ("development", "marketplace")
MARKETPLACE: Final[tuple[Preset, ...]] = ("marketplace",)
BODIES: Final = "character-body specification"
MESHES: Final = "mesh specification"
TEXTURES: Final = "texture specification"
VALIDATION: Final = "validation reference"
HEADS: Final = "dynamic-head specification"

Limit = float | str | tuple[float, ...]
NOTHING: Final[Mapping[str, Limit]] = MappingProxyType({})


FACE_POSES: Final = (
    "LeftEyeClosed", "RightEyeClosed", "EyesLookDown", "JawDrop", "Pucker", "LeftLipCornerPuller",
    "RightLipCornerPuller", "ChinRaiser", "ChinRaiserUpperLip", "LeftCheekRaiser",
    "RightCheekRaiser", "LeftInnerBrowRaiser", "RightInnerBrowRaiser", "LeftLipCornerDown",
    "RightLipCornerDown", "LeftLowerLipDepressor", "RightLowerLipDepressor",
)  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """One rule: what is asked, by which document, and in which presets it is checked.

    ``limits`` are numbers in ``unit`` by name. A failure in a preset of ``advisory_in`` is a
    warning, whatever the severity.
    """

    id: str
    title: str
    document: str
    severity: Severity
    presets: tuple[Preset, ...]
    limits: Mapping[str, Limit] = field(default_factory=lambda: NOTHING)
    unit: str = ""
    advisory_in: tuple[Preset, ...] = ()
    disagreement: str = ""
    as_of: str = AS_OF


@dataclass(frozen=True)
class CheckSettings:
    """The choices that the documents, or their disagreements, leave to the user.

    ``body_type`` picks the table of largest sizes; ``texture_limit`` the document that bounds
    textures ("body": one limit for all, "validation": colour and the rest apart).
    """

    body_type: BodyType = "normal"
    texture_limit: Literal["body", "validation"] = "validation"


def _limits(**limits: Limit) -> Mapping[str, Limit]:
    return MappingProxyType(limits)


SKELETON_RULES: Final = (
    Rule("skeleton.hierarchy", "Bones hang together as Root > HumanoidRootNode > LowerTorso > rest",
         BODIES, "error", BOTH, _limits(required=17)),
    Rule("skeleton.names", "Every bone bears a name of the schema", BODIES, "error", BOTH,
         _limits(optional=37), "bones"),
    Rule("skeleton.root_origin", "Root stands at the origin, LowerTorso at HumanoidRootNode",
         BODIES, "error", BOTH, _limits(tolerance=0.005), "heights",
         disagreement="“Root and LowerTorso at 0,0,0” is read as: Root at the scene's origin, "
         "LowerTorso without translation under HumanoidRootNode, which stands at the hips."),
    Rule("skeleton.lower_torso", "LowerTorso stands at the hips", BODIES, "error", BOTH,
         _limits(distance=0.10), "heights",
         disagreement="No number is published; ours is the distance from the hips' height."),
    Rule("skeleton.scale", "Every joint has scale 1", BODIES, "error", BOTH,
         _limits(tolerance=1e-3)),
    Rule("skeleton.axis_aligned", "Joints are not rotated at rest", BODIES, "warning", BOTH,
         _limits(tolerance=0.5), "degrees"),
    Rule("skeleton.bone_in_part", "A bone lies in or near its part's box", BODIES, "error", BOTH,
         _limits(distance=0.05), "heights", ("development",),
         disagreement="No number is published for “near”; ours is a share of the height."),
    Rule("skeleton.bone_on_parent", "A bone does not lie on top of its parent", BODIES, "error",
         BOTH, _limits(distance=0.005), "heights",
         disagreement="No number is published; ours is a share of the height."),
)  # fmt: skip

SKIN_RULES: Final = (
    Rule("skin.count", "There are as many weights as vertices", MESHES, "error", BOTH),
    Rule("skin.influences", "At most four influences a vertex", MESHES, "error", BOTH,
         _limits(most=4), "influences"),
    Rule("skin.normalised", "The weights of a vertex sum to one", MESHES, "error", BOTH,
         _limits(tolerance=1e-3)),
    Rule("skin.unweighted", "No vertex is without weight", MESHES, "error", BOTH, _limits(most=0),
         "vertices"),
    Rule("skin.schema_bones", "Only bones of the schema move vertices", BODIES, "error", BOTH,
         _limits(most=0), "influences"),
    Rule("skin.root", "Nothing is weighted to Root", BODIES, "error", BOTH, _limits(most=0),
         "vertices"),
    Rule("skin.symmetric", "A symmetric body is weighted symmetrically", BODIES, "warning", BOTH,
         _limits(difference=0.1), "mean difference of weights",
         disagreement="No number is published; ours is the mean over mirrored vertices."),
)  # fmt: skip

MESH_RULES: Final = (
    Rule("mesh.parts", "Fifteen meshes <Part>_Geo", BODIES, "error", MARKETPLACE,
         _limits(count=15), "meshes"),
    Rule("mesh.watertight", "Parts are closed, the Head excepted", BODIES, "error", MARKETPLACE,
         _limits(most=0), "open parts"),
    Rule("mesh.islands", "A part has few separate pieces", BODIES, "error", MARKETPLACE,
         _limits(most=10), "pieces"),
    Rule("mesh.ngons", "Every face is a triangle", MESHES, "error", MARKETPLACE),
    Rule("mesh.degenerate", "No triangle has zero area", MESHES, "error", MARKETPLACE,
         _limits(most=0), "triangles"),
    Rule("mesh.thickness", "No part is flat", MESHES, "error", MARKETPLACE, _limits(least=1e-4),
         "studs"),
    Rule("mesh.part_axes", "Each axis of a part's box is within bounds", VALIDATION, "error",
         MARKETPLACE, _limits(least=0.05, most=4.0), "studs"),
    Rule("mesh.transforms", "Transforms are frozen", MESHES, "error", MARKETPLACE),
    Rule("triangles.head", "Triangles of the head", BODIES, "error", MARKETPLACE,
         _limits(most=4000), "triangles"),
    Rule("triangles.torso", "Triangles of both torso parts", BODIES, "error", MARKETPLACE,
         _limits(most=1750), "triangles"),
    Rule("triangles.arm", "Triangles of each arm", BODIES, "error", MARKETPLACE,
         _limits(most=1248), "triangles"),
    Rule("triangles.leg", "Triangles of each leg", BODIES, "error", MARKETPLACE,
         _limits(most=1248), "triangles"),
    Rule("triangles.total", "Triangles of the whole body", BODIES, "error", MARKETPLACE,
         _limits(most=10742), "triangles"),
    Rule("visibility.opaque", "The body is fully opaque", VALIDATION, "error", MARKETPLACE),
    Rule("visibility.coverage", "A part covers at least half of its box from each side",
         VALIDATION, "error", MARKETPLACE, _limits(least=0.5), "share of the box",
         disagreement="No frame of the box is published; limbs are measured along their bones."),
)  # fmt: skip

POSE_RULES: Final = (
    Rule("pose.facing", "The body faces +Z", BODIES, "error", BOTH, advisory_in=("development",)),
    Rule("pose.upright", "The body stands in +Y", BODIES, "error", BOTH,
         advisory_in=("development",)),
    Rule("pose.limbs", "Limbs lie near the frontal plane (I, A or T pose)", BODIES, "error", BOTH,
         _limits(most=20.0), "degrees", ("development",)),
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
             _limits(all=SMALLEST[group]), "studs", ("development",)),
        Rule(f"size.largest.{group}", f"Largest size: {group}", BODIES, "error", BOTH,
             MappingProxyType(dict(LARGEST[group])), "studs", ("development",)),
    )
)  # fmt: skip

ATTACHMENT_RULES: Final = (
    Rule("attachment.present", "All nineteen attachments are there, each once", BODIES, "error",
         BOTH, _limits(count=19), "attachments"),
    Rule("attachment.region", "Each attachment is in its region of its part's box", BODIES, "error",
         BOTH, _limits(tolerance=0.02), "studs"),
    Rule("attachment.surface", "Surface attachments sit half sunk in the surface", BODIES,
         "warning", BOTH, _limits(distance=0.1), "studs",
         disagreement="No number is published for “half sunk”; ours is the distance to the body."),
    Rule("attachment.grip", "Grips are perpendicular to the lower arm", BODIES, "error", BOTH,
         _limits(tolerance=5.0), "degrees",
         disagreement="No number is published; ours is the angle from a right angle."),
)  # fmt: skip

CAGE_RULES: Final = (
    Rule("cage.present", "Fifteen meshes <Part>_OuterCage, each once", BODIES, "error", BOTH,
         _limits(count=15), "cages"),
    Rule("cage.distance", "Cage vertices keep near the body", VALIDATION, "error", BOTH,
         _limits(most=0.60), "studs"),
    Rule("cage.inside", "Few cage vertices are inside the body", VALIDATION, "error", BOTH,
         _limits(most=0.30), "share of vertices"),
    Rule("cage.box", "Cage and part have boxes of like size", VALIDATION, "error", BOTH,
         _limits(least=0.5, most=2.0, slack=0.3), "studs", ("development",),
         disagreement="No number is published; ours is a factor, with a slack in studs."),
    Rule("cage.uv_area", "No cage triangle has zero area in UV", VALIDATION, "error", BOTH,
         _limits(most=0), "triangles"),
    Rule("cage.template", "Cages keep the vertices and UVs of the official template", VALIDATION,
         "info", BOTH,
         disagreement="The official templates may not be shipped: our own template is reported as "
         "not conformant, and the user's copy may take its place."),
)  # fmt: skip

TEXTURE_RULES: Final = (
    Rule("texture.uv_range", "UVs lie in 0 to 1", TEXTURES, "error", MARKETPLACE,
         _limits(least=0.0, most=1.0)),
    Rule("texture.uv_sets", "There is one UV set", TEXTURES, "error", MARKETPLACE, _limits(most=1),
         "sets"),
    Rule("texture.maps", "Only base colour, normal, metalness and roughness maps", TEXTURES,
         "error", MARKETPLACE),
    Rule("texture.size", "Textures are no larger than the limit", TEXTURES, "error", MARKETPLACE,
         _limits(body=2048, validation_colour=1024, validation_other=256), "pixels",
         disagreement="The body document allows 2,048; marketplace validation 1,024 for colour and "
         "256 for the rest: the setting texture_limit chooses."),
    Rule("texture.vertex_colours", "Vertex colours are white", TEXTURES, "error", MARKETPLACE,
         _limits(tolerance=1e-3)),
)  # fmt: skip

FACE_RULES: Final = (
    Rule("face.poses", "The head has the seventeen required poses", HEADS, "error", (),
         MappingProxyType({"poses": " ".join(FACE_POSES)})),
    Rule("face.landmarks", "The test expressions move the landmarks", HEADS, "error", (),
         _limits(tests="blink_left blink_right mouth_open happy sad")),
    Rule("face.head_size", "The head keeps its size in every pose", HEADS, "error", (),
         _limits(least=0.95, most=1.20), "share of its size"),
)  # fmt: skip

RULES: Final = (
    *SKELETON_RULES,
    *SKIN_RULES,
    *MESH_RULES,
    *POSE_RULES,
    *SIZE_RULES,
    *ATTACHMENT_RULES,
    *CAGE_RULES,
    *TEXTURE_RULES,
    *FACE_RULES,
)
"""Every rule, in the order that reports use."""

RULE_BY_ID: Final[Mapping[str, Rule]] = MappingProxyType({rule.id: rule for rule in RULES})


def limit_of(rule_id: str, name: str) -> float:
    """A rule's limit that is one number."""
    limit = RULE_BY_ID[rule_id].limits[name]
    assert isinstance(limit, int | float)
    return float(limit)
