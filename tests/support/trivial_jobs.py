"""A pipeline of three trivial stages that can be told to misbehave, for batches.

What it does depends on the words of the asset: ``crash``, ``loop``, ``hog`` and ``bad`` name the
poison, ``away:FILE`` a service that is not there while that file exists. Each stage that runs adds
a line to the file of ``TRIVIAL_LOG``, if it is set.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from rigline.engine.codec import json_codec
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage import AssetFile, Produced, Stage, StageContext
from rigline.errors import InvalidInput, ServiceUnavailable
from rigline.triage.policy import Policy, Term

PLACE = f"{__name__}:WORDS"
TERM = Term(evidence="words", good=4, bad=0, reason="only {value:.0f} words")
POLICY = Policy(
    name="trivial", version=1, calibrated=False, review_below=0.5, stages={"count": (TERM,)}
)


TOML = """name = "trivial"
version = 1
calibrated = false
review_below = 0.5
[[stages.count]]
evidence = "words"
good = 4.0
bad = 0.0
reason = "only {value:.0f} words"
"""
"""The same policy as a file."""


def write_policy(folder: Path) -> Path:
    """The policy's file in a folder."""
    path = folder / "policy.toml"
    path.write_text(TOML)
    return path


def read(ctx: StageContext, asset: AssetFile) -> Produced[str]:
    _log("read", asset.data)
    if asset.data.startswith(b"bad"):
        raise InvalidInput(f"{asset.name} is no text.")
    return Produced(asset.data.decode())


def split(ctx: StageContext, read: str) -> Produced[list[str]]:
    _log("split", read.encode())
    words = read.split()
    misbehave(words[0] if words else "")
    return Produced(words)


def count(ctx: StageContext, split: list[str]) -> Produced[int]:
    _log("count", " ".join(split).encode())
    return Produced(len(split), {"words": float(len(split))})


def misbehave(word: str) -> None:
    """Do what the word says."""
    kind, _, argument = word.partition(":")
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind == "loop":
        while True:
            pass
    elif kind == "hog":
        _ = bytearray(4 << 30)
    elif kind == "slow":
        time.sleep(float(argument))
    elif kind == "away" and Path(argument).exists():
        raise ServiceUnavailable("The service is away.")


def _log(stage: str, data: bytes) -> None:
    where = os.environ.get("TRIVIAL_LOG")
    if where:
        with open(where, "ab") as log:  # a short append is one write, whole among processes
            log.write(stage.encode() + b" " + data[:40].replace(b"\n", b" ") + b"\n")


def _stage(name: str, inputs: tuple[str, ...], run: Any) -> Stage:
    return Stage(name, 1, inputs, run, json_codec(f"{name}.json"))


WORDS = Pipeline(
    "words", 1, (_stage("read", (ASSET,), read), _stage("split", ("read",), split),
                 _stage("count", ("split",), count)),
)  # fmt: skip
