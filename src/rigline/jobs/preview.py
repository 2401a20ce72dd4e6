"""What corrections of a job would give: nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence

from rigline.bootstrap import Services
from rigline.db.ledger import Ledger
from rigline.engine.stage_run import Workbench
from rigline.errors import InvalidInput
from rigline.jobs.execution import configured
from rigline.jobs.standing import standing_of
from rigline.pipelines.correction_preview import Preview, preview_corrections
from rigline.review.correction import Correction, parse_correction


def parsed_corrections(
    ledger: Ledger, services: Services, job_id: str, documents: Sequence[object]
) -> tuple[Correction, ...]:
    """The corrections in plain JSON, which fit what the job has made.

    They are tried, and nothing is kept. Raises ``InvalidInput`` for the first that is wrong or is
    made for another output than the one that is there.
    """
    with ledger.reading() as work:
        job = work.jobs.get(job_id)
    kind, _ = configured(services, job)
    corrections = tuple(parse_correction(d, kind.ops_by_stage) for d in documents)
    dropped = preview(ledger, services, job_id, corrections).dropped
    if dropped:
        raise InvalidInput(
            f"The correction of {dropped[0]} is made for another output than the job's.",
            remedy="Take the latest output of the stage; rigline jobs show has its sha256.",
            field="base_artifact_sha256",
            stage=dropped[0],
        )
    return corrections


def preview(
    ledger: Ledger, services: Services, job_id: str, corrections: Sequence[Correction]
) -> Preview:
    """The outputs of the stages that ``corrections`` change, upon those in force.

    Raises ``InvalidInput`` for an unknown job and for a correction that does not fit, and what the
    stages raise.
    """
    with ledger.reading() as work:
        job = work.jobs.get(job_id)
        asset, standing = work.jobs.asset(job.asset_sha256), standing_of(work, job_id)
    kind, pipeline = configured(services, job)
    bench = Workbench(services.store, services.models, asset.name)
    amendments = [kind.amendment(c) for c in corrections]
    return preview_corrections(pipeline, asset.sha256, bench, amendments, standing.overrides)
