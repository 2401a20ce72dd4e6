"""The rules on attachments, cages, textures and the face."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from rigline.avatar.marketplace.rule import (
    BODIES,
    BOTH,
    HEADS,
    MARKETPLACE,
    TEXTURES,
    VALIDATION,
    Rule,
    limits,
)

FACE_POSES: Final = (
    "LeftEyeClosed", "RightEyeClosed", "EyesLookDown", "JawDrop", "Pucker", "LeftLipCornerPuller",
    "RightLipCornerPuller", "ChinRaiser", "ChinRaiserUpperLip", "LeftCheekRaiser",
    "RightCheekRaiser", "LeftInnerBrowRaiser", "RightInnerBrowRaiser", "LeftLipCornerDown",
    "RightLipCornerDown", "LeftLowerLipDepressor", "RightLowerLipDepressor",
)  # fmt: skip

ATTACHMENT_RULES: Final = (
    Rule("attachment.present", "All nineteen attachments are there, each once", BODIES, "error",
         BOTH, limits(count=19), "attachments",
         remedy="Add the missing empty node under its part's bone or mesh, under its exact name."),
    Rule("attachment.region", "Each attachment is in its region of its part's box", BODIES, "error",
         BOTH, limits(tolerance=0.02), "studs",
         remedy="Move the attachment into the half of its part's box that the rule names."),
    Rule("attachment.surface", "Surface attachments sit half sunk in the surface", BODIES,
         "warning", BOTH, limits(distance=0.1), "studs",
         remedy="Move the attachment onto the surface of its part.",
         disagreement="No number is published for “half sunk”; ours is the distance to the body."),
    Rule("attachment.grip", "Grips are perpendicular to the lower arm", BODIES, "error", BOTH,
         limits(tolerance=5.0), "degrees",
         remedy="Turn the grip until its forward axis (+Z) stands across the lower arm.",
         disagreement="No number is published; ours is the angle from a right angle."),
)  # fmt: skip

CAGE_RULES: Final = (
    Rule("cage.present", "Fifteen meshes <Part>_OuterCage, each once", BODIES, "error", BOTH,
         limits(count=15), "cages",
         remedy="Add the missing cage from the template, under its exact name."),
    Rule("cage.distance", "Cage vertices keep near the body", VALIDATION, "error", BOTH,
         limits(most=0.60), "studs", remedy="Pull the cage's vertex back towards the body."),
    Rule("cage.inside", "Few cage vertices are inside the body", VALIDATION, "error", BOTH,
         limits(most=0.30), "share of vertices",
         remedy="Push the cage outwards until it encloses the body."),
    Rule("cage.box", "Cage and part have boxes of like size", VALIDATION, "error", BOTH,
         limits(least=0.5, most=2.0, slack=0.3), "studs", ("development",),
         remedy="Fit the cage to its own part, cut where the part is cut.",
         disagreement="No number is published; ours is a factor, with a slack in studs."),
    Rule("cage.uv_area", "No cage triangle has zero area in UV", VALIDATION, "error", BOTH,
         limits(most=0), "triangles", remedy="Restore the template's UVs on the cage."),
    Rule("cage.template", "Cages keep the vertices and UVs of the official template", VALIDATION,
         "info", BOTH,
         remedy="Start from the official template and change neither its vertices nor its UVs.",
         disagreement="The official templates may not be shipped: our own template is reported as "
         "not conformant, the user's copy may take its place (--cage-template), and cages of other "
         "origin cannot be judged without one."),
)  # fmt: skip

TEXTURE_RULES: Final = (
    Rule("texture.uv_range", "UVs lie in 0 to 1", TEXTURES, "error", MARKETPLACE,
         limits(least=0.0, most=1.0),
         remedy="Move the UV islands into the unit square; bake what tiles or repeats."),
    Rule("texture.uv_sets", "There is one UV set", TEXTURES, "error", MARKETPLACE, limits(most=1),
         "sets", remedy="Remove all UV sets but the first; bake what the others carry."),
    Rule("texture.maps", "Only base colour, normal, metalness and roughness maps", TEXTURES,
         "error", MARKETPLACE, remedy="Remove the other maps, or bake them into the base colour.",
         disagreement="glTF packs metalness and roughness into one image, which passes."),
    Rule("texture.size", "Textures are no larger than the limit", TEXTURES, "error", MARKETPLACE,
         limits(body=2048, validation_colour=1024, validation_other=256), "pixels",
         remedy="Scale the image down.",
         disagreement="The body document allows 2,048; marketplace validation 1,024 for colour and "
         "256 for the rest: the setting texture_limit chooses."),
    Rule("texture.vertex_colours", "Vertex colours are white", TEXTURES, "error", MARKETPLACE,
         limits(tolerance=1e-3),
         remedy="Bake the vertex colours into the base colour and remove them."),
)  # fmt: skip

FACE_RULES: Final = (
    Rule("face.poses", "The head has the seventeen required poses", HEADS, "error", (),
         MappingProxyType({"poses": " ".join(FACE_POSES)}),
         remedy="Rig the face and save the poses on the head's mesh."),
    Rule("face.landmarks", "The test expressions move the landmarks", HEADS, "error", (),
         limits(tests="blink_left blink_right mouth_open happy sad"),
         remedy="Strengthen the poses that the expression mixes."),
    Rule("face.head_size", "The head keeps its size in every pose", HEADS, "error", (),
         limits(least=0.95, most=1.20), "share of its size",
         remedy="Weaken the pose that swells or shrinks the head."),
)  # fmt: skip
