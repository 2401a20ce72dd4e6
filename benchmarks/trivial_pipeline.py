"""A pipeline that does next to nothing, so that what it costs is the engine.

Files of one length share what follows from it, so that the later stages are mostly looked up.
"""

from __future__ import annotations

from typing import Any

from rigline.engine.codec import json_codec
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage import AssetFile, Produced, Stage, StageContext

PLACE = f"{__name__}:TRIVIAL"


def measure(ctx: StageContext, asset: AssetFile) -> Produced[int]:
    """The length of the file."""
    return Produced(len(asset.data))


def double(ctx: StageContext, measure: int) -> Produced[int]:
    """Twice the length."""
    return Produced(2 * measure)


def tell(ctx: StageContext, double: int) -> Produced[str]:
    """The result in words."""
    return Produced(f"{double} bytes", {"bytes": float(double)})


def _stage(name: str, inputs: tuple[str, ...], run: Any) -> Stage:
    return Stage(name, 1, inputs, run, json_codec(f"{name}.json"))


TRIVIAL = Pipeline(
    "trivial", 1,
    (_stage("measure", (ASSET,), measure), _stage("double", ("measure",), double),
     _stage("tell", ("double",), tell)),
)  # fmt: skip
