"""A pipeline of three trivial stages, as a team of its own would add it: this file is all of it."""

from __future__ import annotations

from rigline.engine.codec import json_codec
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage import AssetFile, Produced, Stage, StageContext
from rigline.errors import InvalidInput
from rigline.pipelines.job_kind import JobKind


def read(ctx: StageContext, asset: AssetFile) -> Produced[str]:
    try:
        return Produced(asset.data.decode("ascii"))
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{asset.name} is no text.") from error


def split(ctx: StageContext, read: str) -> Produced[list[str]]:
    return Produced(read.split())


def count(ctx: StageContext, split: list[str]) -> Produced[int]:
    return Produced(len(split), {"words": float(len(split))})


WORDS = JobKind(
    Pipeline(
        "words",
        1,
        (
            Stage("read", 1, (ASSET,), read, json_codec("text.json")),
            Stage("split", 1, ("read",), split, json_codec("words.json")),
            Stage("count", 1, ("split",), count, json_codec("count.json")),
        ),
    ),
    {"split": frozenset({"set_output"})},
)

POLICY = """
name = "words"
version = 1
calibrated = false
review_below = 1.0
[[stages.count]]
evidence = "words"
good = 4.0
bad = 0.0
reason = "only {value:.0f} words"
"""
