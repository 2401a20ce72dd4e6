"""Avatar Auto Setup as a Prefect flow.

Without any server::

    python -m flows.avatar_auto_setup_flow hero.glb --out avatars

As a deployment: ``prefect.yaml``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.runtime import flow_run
from prefect.settings import (
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)
from pydantic import Field

from rigline.bootstrap import avatar_pipeline
from rigline.delivery import read_asset, write_files
from rigline.engine.job import Job, JobState
from rigline.jobs.recovery import replay_job
from rigline.jobs.submission import submit
from rigline.pipelines.avatar_outcome import avatar_files
from rigline.pipelines.marketplace_options import MarketplaceOptions
from tasks.form_help import described
from tasks.job_tasks import clock, run_job
from tasks.marketplace_form import (
    AtlasField,
    BodyTypeField,
    CageTemplateField,
    ProportionsField,
    filled_in,
)
from tasks.services import opened_ledger, services

Preset = Literal["development", "marketplace"]
Priority = Annotated[int, Field(ge=-1000, le=1000)]


def _run_name() -> str:
    return f"avatar_auto_setup {Path(flow_run.parameters['file']).name}"


@flow(name="avatar_auto_setup", flow_run_name=_run_name, persist_result=False)
@described
def avatar_auto_setup(
    file: str,
    preset: Preset = "development",
    out: str = "",
    creator: str = "prefect",
    batch: str = "",
    priority: Priority = 0,
    body_type: BodyTypeField = "normal",
    proportions: ProportionsField = "fit",
    atlas: AtlasField = 1024,
    cage_template: CageTemplateField = "",
) -> dict[str, Any]:
    """Set up one raw humanoid mesh as an avatar.

    The file becomes a job of the ledger, once: run again, nothing is computed again. What the
    policy doubts waits in the review queue, and goes on from there without this flow run.

    Args:
        file: Path of the mesh, as the worker sees it: GLB, VRM, glTF (embedded), FBX, OBJ, PLY or
            STL.
        preset: development keeps the input's geometry, materials and textures; marketplace makes
            fifteen closed parts.
        out: Folder for the avatar, its report and its picture. Left empty they stay in the artifact
            store alone; rigline jobs write fetches them.
        creator: Whose file it is; policies can treat creators apart.
        batch: A name that several jobs share; may be empty.
        priority: Of two jobs the larger number goes first.
    """
    options = filled_in(services(), body_type, proportions, atlas, cage_template)
    job = _submitted(Path(file), preset, options, creator, batch or None, priority)
    job, finished = run_job(job.id)
    if finished is not None and out:
        write_files(avatar_files(finished), Path(out), Path(file).stem)
    return {
        "job": job.id,
        "state": str(job.state),
        "asset": job.asset_sha256,
        "verdict": job.judged.verdict if job.judged else None,
        "confidence": job.judged.confidence if job.judged else None,
    }


def _submitted(
    source: Path, preset: str, options: MarketplaceOptions | None, creator: str,
    batch: str | None, priority: int,
) -> Job:  # fmt: skip
    """The job of the file; one that had failed is tried again, since somebody asks for it."""
    opened = services()
    data = read_asset(source, opened.settings.max_bytes)
    with opened_ledger() as ledger:
        job = submit(
            ledger, opened, data, source.name, creator=creator, batch=batch, priority=priority,
            now=clock(), pipeline=avatar_pipeline(opened.settings, preset, options),
        )  # fmt: skip
        return replay_job(ledger, job.id, clock()) if job.state == JobState.FAILED else job


def main() -> None:
    parser = argparse.ArgumentParser(description="Set up one mesh as an avatar, as a Prefect flow.")
    parser.add_argument("file", help="GLB, VRM, glTF (embedded), FBX, OBJ, PLY or STL")
    parser.add_argument("--preset", default="development")
    parser.add_argument("--out", default=".", help="folder for the results (default: here)")
    args = parser.parse_args()
    # The server that Prefect starts for the occasion makes its database first.
    with temporary_settings({PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 120}):
        avatar_auto_setup(args.file, args.preset, args.out)


if __name__ == "__main__":
    main()
