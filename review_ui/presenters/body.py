"""The body's vocabulary for the editor, in one place with Rigline's own."""

from __future__ import annotations

from functools import cache
from typing import Any

from rigline.avatar.attachments import SITES
from rigline.avatar.body import JOINT_NAMES, MIRROR, PARENT, PART_NAMES, SIDE
from rigline.avatar.cage_template import template
from rigline.render.palette import PART_COLOURS


@cache
def body_facts() -> dict[str, Any]:
    """Names, tree, mirror images and colours of the parts; topology of the cage; attachments."""
    cage = template()
    return {
        "parts": list(PART_NAMES),
        "joints": list(JOINT_NAMES),
        "parent": list(PARENT),
        "mirror": list(MIRROR),
        "side": SIDE.tolist(),
        "colours": PART_COLOURS.tolist(),
        "cageFaces": cage.faces.ravel().tolist(),
        "cageTwin": cage.twin.tolist(),
        "attachments": [site.name for site in SITES],
        "attachmentParts": [int(site.part) for site in SITES],
    }
