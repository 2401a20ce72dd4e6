"""What reviewers' corrections mean for a run of their job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rigline.db.decisions import RecordedCorrection
from rigline.db.ledger import Work
from rigline.engine.override import Override
from rigline.engine.stage_run import StageRun


@dataclass(frozen=True)
class Standing:
    """The corrections of a job that nobody has undone.

    ``overrides`` are those that earlier runs have applied, one a stage; ``pending`` are to be
    applied by the next, in their order. ``seen`` is what the latest corrector saw: the sha256 of
    each stage's output.
    """

    overrides: tuple[Override, ...] = ()
    pending: tuple[RecordedCorrection, ...] = ()
    seen: Mapping[str, str] = field(default_factory=dict)

    def vetted(self, runs: Mapping[str, StageRun]) -> frozenset[str]:
        """The stages whose outputs a person has corrected, or seen as they are and left alone."""
        return frozenset(
            name
            for name, run in runs.items()
            if run.override is not None or self.seen.get(name) == run.sha256
        )

    def applied(self, runs: Mapping[str, StageRun]) -> dict[tuple[str, str], str]:
        """The artifacts that came of the pending corrections, by decision and stage.

        A correction whose base is no longer there was left out, and is not among them.
        """
        return {
            (c.decision_id, c.correction.stage): runs[c.correction.stage].sha256
            for c in self.pending
            if c.correction.base_artifact_sha256 not in runs[c.correction.stage].dropped
        }


NOTHING: Final = Standing()


def standing_of(work: Work, job_id: str) -> Standing:
    """The corrections of a job that are in force, as the ledger has them."""
    made = work.decisions.corrections_of(job_id)
    if not made:
        return NOTHING
    overrides: dict[str, Override] = {}
    pending: list[RecordedCorrection] = []
    for recorded in made:
        stage, base = recorded.correction.stage, recorded.correction.base_artifact_sha256
        if recorded.artifact_sha256 is None:
            pending.append(recorded)
            continue
        before = overrides.get(stage)
        own = before.base_sha256 if before is not None and before.sha256 == base else base
        overrides[stage] = Override(stage, own, recorded.artifact_sha256)
    last = work.decisions.get(made[-1].decision_id).decided_at
    seen = {run.stage: run.sha256 for run in work.jobs.runs(job_id) if run.created_at <= last}
    return Standing(tuple(overrides.values()), tuple(pending), seen)
