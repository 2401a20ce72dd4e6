"""The marketplace's options as fields of a flow's form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from rigline.avatar.body_fit import Proportions
from rigline.avatar.marketplace.rules import BodyType
from rigline.bootstrap import Services, keep_cage_template
from rigline.delivery import read_asset
from rigline.pipelines.marketplace_options import HELP, AtlasPx, MarketplaceOptions

BodyTypeField = Annotated[BodyType, Field(description=HELP["body_type"])]
ProportionsField = Annotated[Proportions, Field(description=HELP["proportions"])]
AtlasField = Annotated[AtlasPx, Field(description=HELP["atlas"])]
CageTemplateField = Annotated[
    str, Field(description=f"{HELP['cage_template']} A path, as the worker sees it; may be empty.")
]


def filled_in(
    services: Services,
    body_type: BodyType,
    proportions: Proportions,
    atlas: AtlasPx,
    cage_template: str,
) -> MarketplaceOptions | None:
    """What a form says, the template's file put into the store; None where all is as it was.

    Raises ``InvalidInput`` for a template that cannot be used.
    """
    kept = ""
    if cage_template:
        path = Path(cage_template)
        data = read_asset(path, services.settings.max_bytes)
        kept = keep_cage_template(services, data, path.name)
    options = MarketplaceOptions(body_type, proportions, atlas, kept)
    return None if options == MarketplaceOptions() else options
