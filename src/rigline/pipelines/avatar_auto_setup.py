"""Avatar Auto Setup: from a raw humanoid mesh to a rigged, skinned, caged, validated avatar."""

from __future__ import annotations

from rigline.avatar.attachments import Attachments
from rigline.avatar.cage import OuterCage
from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.segmentation import Segmentation
from rigline.avatar.skeleton import Skeleton
from rigline.avatar.skinning import SkinWeights
from rigline.engine.codec import Codec, array_codec, bytes_codec, json_codec
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage import Stage
from rigline.formats import SourceModel
from rigline.pipelines import avatar_assembly as assembly
from rigline.pipelines import avatar_stages as stages

SOURCE_CODEC = Codec("model.safetensors", SourceModel.to_bytes, SourceModel.from_bytes)

BODY_STAGES = (
    Stage("ingest", 2, (ASSET,), stages.ingest, SOURCE_CODEC),
    Stage("orient", 5, ("ingest",), stages.orient,
          array_codec("canonical.safetensors", CanonicalMesh), models=("avatar_orientation",)),
    Stage("segment", 6, ("orient",), stages.segment_parts,
          array_codec("parts.safetensors", Segmentation), models=("avatar_segmentation",)),
    Stage("rig", 7, ("ingest", "orient"), stages.rig,
          array_codec("skeleton.safetensors", Skeleton), models=("avatar_rigging",)),
    Stage("skin", 4, ("ingest", "orient", "segment", "rig"), stages.skin_body,
          array_codec("weights.safetensors", SkinWeights)),
)  # fmt: skip
"""From the file to a rigged and skinned body: what every kind of avatar begins with."""

AVATAR_AUTO_SETUP = Pipeline(
    "avatar-auto-setup",
    version=1,
    stages=(
        *BODY_STAGES,
        Stage("cage", 1, ("orient", "segment", "rig"), stages.wrap_cage,
              array_codec("cage.safetensors", OuterCage)),
        Stage("attach", 1, ("orient", "rig", "skin"), assembly.attach,
              array_codec("attachments.safetensors", Attachments)),
        Stage("assemble", 3, ("ingest", "orient", "rig", "skin", "cage", "attach"),
              assembly.assemble, bytes_codec("avatar.glb")),
        Stage("validate", 3, ("assemble",), assembly.validate,
              json_codec("validation.json"), {"preset": "development"}),
        Stage("picture", 1, ("orient", "segment", "rig", "skin", "cage"), assembly.picture,
              bytes_codec("preview.png")),
    ),
)  # fmt: skip
"""Stages in the order in which they run; ``segment`` and ``rig``, like ``skin`` and ``cage``, do
not wait for each other where the runner can do two things at once."""
