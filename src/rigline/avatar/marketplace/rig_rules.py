"""The rules on bones, skin weights and pose."""

from __future__ import annotations

from typing import Final

from rigline.avatar.marketplace.rule import BODIES, BOTH, MESHES, Rule, limits

SKELETON_RULES: Final = (
    Rule("skeleton.hierarchy", "Bones hang together as Root > HumanoidRootNode > LowerTorso > rest",
         BODIES, "error", BOTH, limits(required=17),
         remedy="Give the armature the seventeen R15 bones, each once and under its own parent."),
    Rule("skeleton.names", "Every bone bears a name of the schema", BODIES, "error", BOTH,
         limits(optional=37), "bones",
         remedy="Rename the bone to its R15 name, or remove it and weight its parent instead."),
    Rule("skeleton.root_origin", "Root stands at the origin, LowerTorso at HumanoidRootNode",
         BODIES, "error", BOTH, limits(tolerance=0.005), "heights",
         remedy="Move Root to the scene's origin and set LowerTorso's translation to zero.",
         disagreement="“Root and LowerTorso at 0,0,0” is read as: Root at the scene's origin, "
         "LowerTorso without translation under HumanoidRootNode, which stands at the hips."),
    Rule("skeleton.lower_torso", "LowerTorso stands at the hips", BODIES, "error", BOTH,
         limits(distance=0.10), "heights",
         remedy="Move HumanoidRootNode, and with it LowerTorso, between the two hip joints.",
         disagreement="No number is published; ours is the distance from the hips' height."),
    Rule("skeleton.scale", "Every joint has scale 1", BODIES, "error", BOTH,
         limits(tolerance=1e-3), remedy="Apply the scale of the armature and of its bones."),
    Rule("skeleton.axis_aligned", "Joints are not rotated at rest", BODIES, "warning", BOTH,
         limits(tolerance=0.5), "degrees",
         remedy="Orient the joints to the world before binding, or apply their rotation."),
    Rule("skeleton.bone_in_part", "A bone lies in or near its part's box", BODIES, "error", BOTH,
         limits(distance=0.05), "heights", ("development",),
         remedy="Move the joint into the part that it turns, at the cut to its parent.",
         disagreement="No number is published for “near”; ours is a share of the height."),
    Rule("skeleton.bone_on_parent", "A bone does not lie on top of its parent", BODIES, "error",
         BOTH, limits(distance=0.005), "heights",
         remedy="Move the joint away from its parent, or remove an optional bone.",
         disagreement="No number is published; ours is a share of the height."),
)  # fmt: skip

SKIN_RULES: Final = (
    Rule("skin.count", "There are as many weights as vertices", MESHES, "error", BOTH,
         remedy="Export the skin again: every vertex needs one row of weights."),
    Rule("skin.influences", "At most four influences a vertex", MESHES, "error", BOTH,
         limits(most=4), "influences",
         remedy="Limit the influences to four (Blender: Weights > Limit Total) and normalise."),
    Rule("skin.normalised", "The weights of a vertex sum to one", MESHES, "error", BOTH,
         limits(tolerance=1e-3), remedy="Normalise all weights before the export."),
    Rule("skin.unweighted", "No vertex is without weight", MESHES, "error", BOTH, limits(most=0),
         "vertices", remedy="Give the vertex to the bone of its part."),
    Rule("skin.schema_bones", "Only bones of the schema move vertices", BODIES, "error", BOTH,
         limits(most=0), "influences",
         remedy="Give these weights to the nearest R15 bone."),
    Rule("skin.root", "Nothing is weighted to Root", BODIES, "error", BOTH, limits(most=0),
         "vertices", remedy="Give Root's weights to LowerTorso."),
    Rule("skin.symmetric", "A symmetric body is weighted symmetrically", BODIES, "warning", BOTH,
         limits(difference=0.1), "mean difference of weights",
         remedy="Mirror the weights from one side to the other.",
         disagreement="No number is published; ours is the mean over mirrored vertices."),
)  # fmt: skip

POSE_RULES: Final = (
    Rule("pose.facing", "The body faces +Z", BODIES, "error", BOTH, advisory_in=("development",),
         remedy="Turn the whole character about Y until it faces +Z, and apply the rotation."),
    Rule("pose.upright", "The body stands in +Y", BODIES, "error", BOTH, limits(most=45.0),
         "degrees", ("development",),
         remedy="Turn the whole character until it stands in +Y, and apply the rotation.",
         disagreement="No number is published; ours is the angle of the spine."),
    Rule("pose.limbs", "Limbs lie near the frontal plane (I, A or T pose)", BODIES, "error", BOTH,
         limits(most=20.0), "degrees", ("development",),
         remedy="Export the rest pose as I, A or T pose, arms and legs beside the body."),
)  # fmt: skip
