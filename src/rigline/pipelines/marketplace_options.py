"""What the user may choose of the marketplace preset, said once for every way to choose it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from rigline.avatar.body_fit import Proportions
from rigline.avatar.marketplace.rules import BodyType
from rigline.errors import InvalidInput

AtlasPx = Literal[256, 512, 1024, 2048]
VALIDATED_PX: Final = 1024

HELP: Final = MappingProxyType(
    {
        "preset": "development keeps the input's geometry; marketplace makes fifteen closed parts "
        "(needs Rigline's extra named marketplace).",
        "body_type": "Size table of the marketplace: normal (default), slender or classic.",
        "proportions": "fit (default) stretches head, arms, torso or legs where no scale brings "
        "the body within its size table; keep scales alone. For the marketplace.",
        "atlas": "Width of the marketplace's atlas in pixels: 256, 512, 1024 (default) or 2048.",
        "cage_template": "Your own copy of the cage template: GLB, glTF, OBJ or FBX with the "
        "fifteen <Part>_OuterCage; for the marketplace.",
    }
)
"""A sentence on each option, for the command line's help and for forms."""


@dataclass(frozen=True)
class MarketplaceOptions:
    """What the user may choose. Raises ``InvalidInput`` for what cannot be.

    ``body_type`` is one of the published size tables; ``proportions`` "fit" stretches what no scale
    brings within it, "keep" scales alone. ``atlas_px`` is the width of the colour atlas; one above
    1,024 is judged by the body document's limits, as marketplace validation would refuse it.
    ``cage_template`` is the sha256 of the user's own template in the artifact store, as
    :func:`rigline.bootstrap.keep_cage_template` gives it, or empty for ours.
    """

    body_type: BodyType = "normal"
    proportions: Proportions = "fit"
    atlas_px: AtlasPx = 1024
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
        if self.atlas_px not in get_args(AtlasPx):
            raise InvalidInput(
                f"No atlas is {self.atlas_px} pixels wide.",
                remedy=f"Use {', '.join(map(str, get_args(AtlasPx)))}.",
            )

    def params(self) -> dict[str, dict[str, Any]]:
        """Parameters of the pipeline's stages."""
        limit = "body" if self.atlas_px > VALIDATED_PX else "validation"
        template = {"cage_template": self.cage_template} if self.cage_template else {}
        return {
            "fit": {"body_type": self.body_type, "proportions": self.proportions},
            "explain": {"body_type": self.body_type},
            "bake": {"atlas_px": self.atlas_px},
            **({"assemble": template} if template else {}),
            "validate": {
                "settings": {"body_type": self.body_type, "texture_limit": limit},
                **template,
            },
        }


def chosen_options(**given: Any) -> MarketplaceOptions | None:
    """The options among ``given`` that somebody gave; None where all are None or empty."""
    chosen = {name: value for name, value in given.items() if value not in (None, "")}
    return MarketplaceOptions(**chosen) if chosen else None
