"""Avatar set-up for the marketplace: the same rig and skin, on a body of fifteen closed parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, get_args

from rigline.avatar.attachments import Attachments
from rigline.avatar.body_fit import FittedBody, Proportions
from rigline.avatar.cage import OuterCage
from rigline.avatar.marketplace.rules import BodyType
from rigline.avatar.partition import PartedBody
from rigline.engine.codec import array_codec, bytes_codec, json_codec
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage import Stage
from rigline.errors import InvalidInput
from rigline.pipelines import avatar_assembly as assembly
from rigline.pipelines import parted_stages as parted
from rigline.pipelines.avatar_auto_setup import BODY_STAGES
from rigline.pipelines.source_appearance import Atlas

AVATAR_MARKETPLACE = Pipeline(
    "avatar-marketplace",
    version=1,
    stages=(
        *BODY_STAGES,
        Stage("partition", 3, ("orient", "rig", "skin"), parted.cut_parts,
              array_codec("parted.safetensors", PartedBody)),
        Stage("reduce", 1, ("partition",), parted.reduce_triangles,
              array_codec("reduced.safetensors", PartedBody)),
        Stage("fit", 3, ("reduce", "rig"), parted.fit,
              array_codec("fitted.safetensors", FittedBody), {"body_type": "normal"}),
        Stage("cage", 2, ("fit",), parted.wrap_cage,
              array_codec("cage.safetensors", OuterCage)),
        Stage("attach", 1, ("fit",), parted.attach,
              array_codec("attachments.safetensors", Attachments)),
        Stage("bake", 2, ("ingest", "orient", "partition", "reduce"), parted.bake_textures,
              array_codec("atlas.safetensors", Atlas), {"atlas_px": 1024}),
        Stage("assemble", 1, ("fit", "cage", "attach", "bake"), parted.assemble,
              bytes_codec("avatar.glb")),
        Stage("validate", 2, ("assemble",), assembly.validate,
              json_codec("validation.json"), {"preset": "marketplace"}),
        Stage("explain", 1, ("ingest", "orient", "rig", "skin", "fit", "validate"), parted.explain,
              json_codec("causes.json"), {"body_type": "normal"}),
        Stage("picture", 1, ("fit", "cage"), parted.picture, bytes_codec("preview.png")),
    ),
)  # fmt: skip


ATLAS_SIZES: Final = (256, 512, 1024, 2048)
VALIDATED_PX: Final = 1024


@dataclass(frozen=True)
class MarketplaceOptions:
    """What the user may choose. Raises ``InvalidInput`` for what cannot be.

    ``body_type`` is one of the published size tables; ``proportions`` "fit" stretches what no scale
    brings within it, "keep" scales alone. ``atlas_px`` is the width of the colour atlas; one above
    1,024 is judged by the body document's limits, as marketplace validation would refuse it.
    ``cage_template`` is the user's own template as ``template_text`` gives it, or empty for ours.
    """

    body_type: BodyType = "normal"
    proportions: Proportions = "fit"
    atlas_px: int = 1024
    cage_template: str = ""

    def __post_init__(self) -> None:
        for name, known in (
            ("body_type", get_args(BodyType)),
            ("proportions", get_args(Proportions)),
        ):
            if getattr(self, name) not in known:
                raise InvalidInput(
                    f"There is no {name.replace('_', ' ')} {getattr(self, name)!r}.",
                    remedy=f"Use {', '.join(known)}.",
                )

        if self.atlas_px not in ATLAS_SIZES:
            raise InvalidInput(
                f"No atlas is {self.atlas_px} pixels wide.",
                remedy=f"Use {', '.join(map(str, ATLAS_SIZES))}.",
            )

    def params(self) -> dict[str, dict[str, Any]]:
        """Parameters of the pipeline's stages."""
        limit = "body" if self.atlas_px > VALIDATED_PX else "validation"
        return {
            "fit": {"body_type": self.body_type, "proportions": self.proportions},
            "explain": {"body_type": self.body_type},
            "bake": {"atlas_px": self.atlas_px},
            **({"assemble": {"cage_template": self.cage_template}} if self.cage_template else {}),
            "validate": {"settings": {"body_type": self.body_type, "texture_limit": limit}},
        }
