"""Three trivial stages that note each execution in a file that is only ever appended to."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rigline.engine.pipeline import Pipeline
from rigline.engine.stage import Stage, StageContext
from rigline.pipelines.job_kind import JobKind
from tests.support.words import WORDS

LOG = "RIGLINE_TEST_EXECUTIONS"


def _noting(stage: Stage) -> Stage:
    run: Callable[..., Any] = stage.run

    def go(ctx: StageContext, *inputs: Any) -> Any:
        log = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(log, f"{stage.name}\n".encode())
        os.close(log)
        return run(ctx, *inputs)

    return replace(stage, run=go)


NOTED = JobKind(
    Pipeline("words", 1, tuple(_noting(stage) for stage in WORDS.pipeline)), WORDS.ops_by_stage
)
