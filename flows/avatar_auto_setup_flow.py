"""Avatar Auto Setup as a Prefect flow.

Without any server::

    python -m flows.avatar_auto_setup_flow hero.glb --out avatars

As a deployment: ``prefect.yaml``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.runtime import flow_run
from prefect.settings import (
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from rigline.bootstrap import avatar_pipeline, conclude
from rigline.delivery import files_of, read_asset, write_outcome
from rigline.engine.stage_run import Workbench
from rigline.pipelines.report import AssetEntry
from tasks.report_artifact import publish_report
from tasks.services import services
from tasks.stage_tasks import submit_pipeline


def _run_name() -> str:
    return f"avatar_auto_setup {Path(flow_run.parameters['file']).name}"


@flow(name="avatar_auto_setup", flow_run_name=_run_name, persist_result=False)
def avatar_auto_setup(
    file: str, preset: str = "development", out: str | None = None
) -> dict[str, Any]:
    """Set up one raw humanoid mesh as an avatar.

    Args:
        file: Path of a GLB, glTF or OBJ file that the worker can read.
        preset: What the result must satisfy: development.
        out: Folder for the avatar, its report and its picture. Without one they stay in the
            artifact store alone, under the hashes that the flow returns.
    """
    opened = services()
    pipeline = avatar_pipeline(opened.settings, preset)
    source = Path(file)
    data = read_asset(source, opened.settings.max_bytes)
    asset = AssetEntry(name=source.name, sha256=opened.store.put(data), bytes=len(data))

    futures = submit_pipeline(pipeline, asset.sha256, asset.name)
    runs = {stage: future.result() for stage, future in futures.items()}

    bench = Workbench(opened.store, opened.models, asset.name)
    outcome = conclude(opened, pipeline, bench, asset, runs)
    report_sha256 = opened.store.put(outcome.report.to_bytes())
    if out is not None:
        write_outcome(outcome, files_of(source, Path(out)))
    publish_report(outcome)
    return {
        "asset": asset.sha256,
        "avatar": runs["assemble"].sha256,
        "picture": runs["picture"].sha256,
        "report": report_sha256,
        "verdict": outcome.report.verdict,
        "confidence": outcome.report.confidence,
        "reasons": outcome.report.reasons,
        "computed": [stage for stage, run in runs.items() if not run.reused],
    }


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
