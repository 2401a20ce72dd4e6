"""What corrections would give: a run of the pipeline that leaves nothing behind."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rigline.engine.override import Amendment, Override
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage_run import StageRun, Workbench, run_pipeline
from rigline.storage.overlay import OverlayStore


@dataclass(frozen=True)
class Preview:
    """The runs of all stages by name, and the outputs of those that corrections changed.

    ``outputs`` are files by the stage's name: corrected ones, and what was computed from them.
    """

    runs: Mapping[str, StageRun]
    outputs: Mapping[str, bytes]

    @property
    def dropped(self) -> tuple[str, ...]:
        """The stages of which a correction was left out, as their output is now another."""
        return tuple(name for name, run in self.runs.items() if run.dropped)


def preview_corrections(
    pipeline: Pipeline,
    asset_sha256: str,
    bench: Workbench,
    amendments: Sequence[Amendment],
    overrides: Sequence[Override] = (),
) -> Preview:
    """Run the pipeline with ``amendments`` upon the ``overrides`` in force.

    What the store of ``bench`` has is read; nothing is written, there or among its values. Raises
    what ``run_pipeline`` raises.
    """
    store = OverlayStore(bench.store)
    trial = replace(bench, store=store, values=ChainMap({}, bench.values))
    runs = run_pipeline(pipeline, asset_sha256, trial, overrides=overrides, amendments=amendments)
    made = {name: run.sha256 for name, run in runs.items() if store.added.has(run.sha256)}
    return Preview(runs, {name: store.added.get(sha256) for name, sha256 in made.items()})
