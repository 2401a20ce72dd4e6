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

from rigline.avatar.marketplace.rules import BodyType
from rigline.bootstrap import avatar_pipeline
from rigline.delivery import read_asset, write_files
from rigline.engine.job import Job, JobState
from rigline.jobs.recovery import replay_job
from rigline.jobs.submission import submit
from rigline.pipelines.avatar_marketplace import MarketplaceOptions
from rigline.pipelines.avatar_outcome import avatar_files
from tasks.job_tasks import clock, run_job
from tasks.services import opened_ledger, services

Preset = Literal["development", "marketplace"]
BodyTypeName = Literal["normal", "slender", "classic"]
Priority = Annotated[int, Field(ge=-1000, le=1000)]


def _run_name() -> str:
    return f"avatar_auto_setup {Path(flow_run.parameters['file']).name}"


@flow(name="avatar_auto_setup", flow_run_name=_run_name, persist_result=False)
def avatar_auto_setup(
    file: str,
    preset: Preset = "development",
    out: str = "",
    creator: str = "prefect",
    batch: str = "",
    priority: Priority = 0,
    body_type: BodyTypeName = "normal",
) -> dict[str, Any]:
    """Set up one raw humanoid mesh as an avatar.

    The file becomes a job of the ledger, once: run again, nothing is computed again. What the
    policy doubts waits in the review queue, and goes on from there without this flow run.

    Args:
        file: Path of the mesh, as the worker sees it: GLB, glTF or OBJ.
        preset: development keeps the input's geometry, materials and textures; marketplace makes
            fifteen closed parts.
        out: Folder for the avatar, its report and its picture. Left empty they stay in the artifact
            store alone; rigline jobs write fetches them.
        creator: Whose file it is; policies can treat creators apart.
        batch: A name that several jobs share; may be empty.
        priority: Of two jobs the larger number goes first.
        body_type: Size table of the marketplace preset, in studs.
    """
    job = _submitted(Path(file), preset, body_type, creator, batch or None, priority)
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
    source: Path, preset: str, body_type: BodyType, creator: str, batch: str | None, priority: int
) -> Job:
    """The job of the file; one that had failed is tried again, since somebody asks for it."""
    opened = services()
    data = read_asset(source, opened.settings.max_bytes)
    options = MarketplaceOptions(body_type) if preset == "marketplace" else None
    with opened_ledger() as ledger:
        job = submit(
            ledger, opened, data, source.name, creator=creator, batch=batch, priority=priority,
            now=clock(), pipeline=avatar_pipeline(opened.settings, preset, options),
        )  # fmt: skip
        return replay_job(ledger, job.id, clock()) if job.state == JobState.FAILED else job


def main() -> None:
    parser = argparse.ArgumentParser(description="Set up one mesh as an avatar, as a Prefect flow.")
    parser.add_argument("file", help="GLB, glTF or OBJ")
    parser.add_argument("--preset", default="development")
    parser.add_argument("--out", default=".", help="folder for the results (default: here)")
    args = parser.parse_args()
    # The server that Prefect starts for the occasion makes its database first.
    with temporary_settings({PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 120}):
        avatar_auto_setup(args.file, args.preset, args.out)


if __name__ == "__main__":
    main()
