"""What a person sees of a job in the Prefect UI."""

from __future__ import annotations

import base64
import io

from PIL import Image
from prefect.artifacts import create_markdown_artifact

from rigline.bootstrap import Outcome
from rigline.pipelines.report import Report
from rigline.render.body_picture import png_bytes

COLOURS = 64
"""The picture travels inside the text, so it is made small."""


def publish_report(outcome: Outcome) -> None:
    """A markdown artifact of the running flow: verdict, reasons, picture, confidence by stage."""
    report = outcome.report
    create_markdown_artifact(
        key=f"avatar-{report.asset.sha256[:16]}",
        markdown=report_markdown(report, outcome.preview_png),
        description=f"{report.asset.name}: {report.verdict}",
    )


def report_markdown(report: Report, preview_png: bytes) -> str:
    """The artifact's text; the picture is embedded."""
    picture = png_bytes(Image.open(io.BytesIO(preview_png)).convert("RGB"), COLOURS)
    data = base64.b64encode(picture).decode("ascii")
    rows = [
        f"| {name} | {'' if s.confidence is None else f'{s.confidence:.2f}'} "
        f"| {s.seconds:.2f} | {'yes' if s.reused else ''} |"
        for name, s in report.stages.items()
    ]
    doubts = [f"- {reason}" for reason in report.reasons] or ["No doubts."]
    known = "" if report.calibrated else " (not calibrated)"
    return "\n".join(
        [
            f"# {report.asset.name}: {report.verdict}",
            f"Confidence {report.confidence:.2f}{known}",
            "",
            *doubts,
            "",
            f"![preview](data:image/png;base64,{data})",
            "",
            "| stage | confidence | seconds | reused |",
            "|---|---|---|---|",
            *rows,
        ]
    )
