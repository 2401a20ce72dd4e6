"""What a person sees of a job in the Prefect UI."""

from __future__ import annotations

import base64
import io

from PIL import Image
from prefect.artifacts import create_markdown_artifact

from rigline.engine.job import Job
from rigline.pipelines.job_kind import FinishedRun
from rigline.render.body_picture import png_bytes

COLOURS = 64
"""The picture travels inside the text, so it is made small."""

PICTURE_STAGE = "picture"
"""A stage of this name makes a PNG that shows the result."""


def publish_job(job: Job, finished: FinishedRun) -> None:
    """A markdown artifact of the running flow: state, reasons, picture, confidence by stage."""
    create_markdown_artifact(
        key=f"job-{job.id}",
        markdown=job_markdown(job, finished),
        description=f"{finished.asset.name}: {job.state}",
    )


def job_markdown(job: Job, finished: FinishedRun) -> str:
    """The artifact's text; the picture is embedded."""
    judgement = finished.judgement
    rows = []
    for name, run in finished.runs.items():
        confidence = judgement.stage_confidence.get(name)
        shown = "" if confidence is None else f"{confidence:.2f}"
        how = "corrected" if run.override else "vetted" if name in finished.vetted else ""
        rows.append(f"| {name} | {shown} | {run.record.seconds:.2f} | {how} |")
    doubts = [f"- {_escaped(reason)}" for reason in judgement.reasons] or ["No doubts."]
    known = "" if judgement.calibrated else " (not calibrated)"
    return "\n".join(
        [
            f"# {_escaped(finished.asset.name)}: {judgement.verdict}",
            f"Job `{job.id}` is **{job.state}**. Confidence {judgement.confidence:.2f}{known}",
            "",
            *doubts,
            "",
            *_picture(finished),
            "| stage | confidence | seconds | by a person |",
            "|---|---|---|---|",
            *rows,
        ]
    )


def _picture(finished: FinishedRun) -> list[str]:
    if PICTURE_STAGE not in finished.runs:
        return []
    preview = Image.open(io.BytesIO(finished.value(PICTURE_STAGE))).convert("RGB")
    data = base64.b64encode(png_bytes(preview, COLOURS)).decode("ascii")
    return [f"![preview](data:image/png;base64,{data})", ""]


def _escaped(text: str) -> str:
    """Text that Markdown and HTML show as it is."""
    return "".join(f"&#{ord(c)};" if c in "<>&`*_[]|#!\\" else c for c in text)
