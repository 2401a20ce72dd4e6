"""Avatar set-up that a mesh can take down: the real stages, and a first one that reads poison.

What would crash, hang or eat the memory of a native library is not at hand as a file, so the bytes
that follow the last chunk of a GLB say it: readers pass over them, the stage here does not.
"""

from __future__ import annotations

from dataclasses import replace

from rigline.engine.pipeline import Pipeline
from rigline.engine.stage import AssetFile, Produced, StageContext
from rigline.formats import SourceModel
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from rigline.pipelines.avatar_outcome import AVATAR_JOBS
from tests.support.trivial_jobs import misbehave

PLACE = f"{__name__}:POISONED"
MARK = b"poison:"
_INGEST, *_OTHERS = AVATAR_AUTO_SETUP.stages


def poisoned(glb: bytes, word: str) -> bytes:
    """The file with a poison: a word of :func:`misbehave`, or ``truncated``."""
    return glb[: len(glb) // 2] if word == "truncated" else glb + MARK + word.encode()


def ingest(ctx: StageContext, asset: AssetFile) -> Produced[SourceModel]:
    data, mark, word = asset.data.rpartition(MARK)
    misbehave(word.decode() if mark else "")
    produced: Produced[SourceModel] = _INGEST.run(
        ctx, AssetFile(data if mark else word, asset.name)
    )
    return produced


POISONED = replace(
    AVATAR_JOBS, pipeline=Pipeline("avatar-poisoned", 1, (replace(_INGEST, run=ingest), *_OTHERS))
)
