"""Avatar set-up for the marketplace: the same rig and skin, on a body of fifteen closed parts."""

from __future__ import annotations

from rigline.avatar.attachments import Attachments
from rigline.avatar.body_fit import FittedBody
from rigline.avatar.cage import OuterCage
from rigline.avatar.partition import PartedBody
from rigline.engine.codec import array_codec, bytes_codec, json_codec
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage import Stage
from rigline.pipelines import avatar_assembly as assembly
from rigline.pipelines import parted_stages as parted
from rigline.pipelines.avatar_auto_setup import BODY_STAGES
from rigline.pipelines.source_appearance import Atlas

AVATAR_MARKETPLACE = Pipeline(
    "avatar-marketplace",
    version=1,
    stages=(
        *BODY_STAGES,
        Stage("partition", 4, ("orient", "rig", "skin"), parted.cut_parts,
              array_codec("parted.safetensors", PartedBody)),
        Stage("reduce", 2, ("partition",), parted.reduce_triangles,
              array_codec("reduced.safetensors", PartedBody)),
        Stage("fit", 5, ("reduce", "rig"), parted.fit,
              array_codec("fitted.safetensors", FittedBody), {"body_type": "normal"}),
        Stage("cage", 3, ("fit",), parted.wrap_cage,
              array_codec("cage.safetensors", OuterCage)),
        Stage("attach", 1, ("fit",), parted.attach,
              array_codec("attachments.safetensors", Attachments)),
        Stage("bake", 3, ("ingest", "orient", "partition", "reduce"), parted.bake_textures,
              array_codec("atlas.safetensors", Atlas), {"atlas_px": 1024}),
        Stage("assemble", 1, ("fit", "cage", "attach", "bake"), parted.assemble,
              bytes_codec("avatar.glb"), artifacts=("cage_template",)),
        Stage("validate", 3, ("assemble",), assembly.validate,
              json_codec("validation.json"), {"preset": "marketplace"},
              artifacts=("cage_template",)),
        Stage("explain", 3, ("ingest", "orient", "rig", "skin", "fit", "validate"), parted.explain,
              json_codec("causes.json"), {"body_type": "normal"}),
        Stage("picture", 1, ("fit", "cage"), parted.picture, bytes_codec("preview.png")),
    ),
)  # fmt: skip
