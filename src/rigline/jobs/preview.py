"""What corrections of a job would give: nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence

from rigline.bootstrap import Services
from rigline.db.ledger import Ledger
from rigline.engine.stage_run import Workbench
from rigline.jobs.execution import configured
from rigline.jobs.standing import standing_of
from rigline.pipelines.correction_preview import Preview, preview_corrections
from rigline.review.correction import Correction


def preview(
    ledger: Ledger, services: Services, job_id: str, corrections: Sequence[Correction],
    bench: Workbench | None = None,
) -> Preview:  # fmt: skip
    """The outputs of the stages that ``corrections`` change, upon those in force.

    A ``bench`` that is handed in again spares decoding what an earlier preview has decoded. Raises
    ``InvalidInput`` for an unknown job and for a correction that does not fit, and what the stages
    raise.
    """
    with ledger.reading() as work:
        job = work.jobs.get(job_id)
        asset, standing = work.jobs.asset(job.asset_sha256), standing_of(work, job_id)
    kind, pipeline = configured(services, job)
    bench = bench or Workbench(services.store, services.models, asset.name)
    amendments = [kind.amendment(c) for c in corrections]
    return preview_corrections(pipeline, asset.sha256, bench, amendments, standing.overrides)
