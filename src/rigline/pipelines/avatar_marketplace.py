"""Avatar set-up for the marketplace: the same rig and skin, on a body of fifteen closed parts."""

from __future__ import annotations

from rigline.avatar.attachments import Attachments
from rigline.avatar.cage import OuterCage
from rigline.avatar.partition import PartedBody
from rigline.engine.codec import array_codec, bytes_codec, json_codec
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage import Stage
from rigline.pipelines import avatar_assembly as assembly
from rigline.pipelines import parted_stages as parted
from rigline.pipelines.avatar_auto_setup import BODY_STAGES

AVATAR_MARKETPLACE = Pipeline(
    "avatar-marketplace",
    version=1,
    stages=(
        *BODY_STAGES,
        Stage("partition", 1, ("orient", "rig", "skin"), parted.cut_parts,
              array_codec("parted.safetensors", PartedBody)),
        Stage("reduce", 1, ("partition",), parted.reduce_triangles,
              array_codec("reduced.safetensors", PartedBody)),
        Stage("cage", 1, ("reduce", "rig"), parted.wrap_cage,
              array_codec("cage.safetensors", OuterCage)),
        Stage("attach", 1, ("reduce", "rig"), parted.attach,
              array_codec("attachments.safetensors", Attachments)),
        Stage("assemble", 1, ("orient", "rig", "reduce", "cage", "attach"),
              parted.assemble, bytes_codec("avatar.glb")),
        Stage("validate", 1, ("assemble",), assembly.validate,
              json_codec("validation.json"), {"preset": "marketplace"}),
        Stage("picture", 1, ("reduce", "rig", "cage"), parted.picture,
              bytes_codec("preview.png")),
    ),
)  # fmt: skip
