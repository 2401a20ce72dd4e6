"""The options of the marketplace preset, the same on every command that sets avatars up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rigline.bootstrap import Services, keep_cage_template
from rigline.delivery import read_asset
from rigline.pipelines.marketplace_options import HELP, MarketplaceOptions, chosen_options

PresetChoice = Annotated[str, typer.Option("--preset", help=HELP["preset"])]
BodyTypeChoice = Annotated[str | None, typer.Option("--body-type", help=HELP["body_type"])]
ProportionsChoice = Annotated[str | None, typer.Option("--proportions", help=HELP["proportions"])]
AtlasChoice = Annotated[int | None, typer.Option("--atlas", help=HELP["atlas"])]
CageTemplateChoice = Annotated[
    Path | None, typer.Option("--cage-template", metavar="FILE", help=HELP["cage_template"])
]


def marketplace_options(
    services: Services,
    body_type: str | None,
    proportions: str | None,
    atlas: int | None,
    cage_template: Path | None,
) -> MarketplaceOptions | None:
    """What was chosen, the template's file put into the store; None where nothing was.

    Raises ``InvalidInput`` for what cannot be.
    """
    kept = ""
    if cage_template is not None:
        data = read_asset(cage_template, services.settings.max_bytes)
        kept = keep_cage_template(services, data, cage_template.name)
    return chosen_options(
        body_type=body_type, proportions=proportions, atlas_px=atlas, cage_template=kept
    )
