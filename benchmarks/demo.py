"""The main job on the sample characters: avatars, reports, a table and a contact sheet.

python -m benchmarks.demo [--out out/demo] [FILE...]
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from rich.progress import track
from rich.table import Table
from rich.text import Text

from rigline.bootstrap import in_memory, open_services
from rigline.cli.console import results as results_console
from rigline.cli.setup import VERDICT_STYLES, SetupResult, set_up_file
from rigline.delivery import files_of
from rigline.render.body_picture import grid, png_bytes, write_caption

SAMPLES = Path(__file__).parent / "samples"
SHEET = "contact_sheet.png"


def table_of(results: Sequence[SetupResult], judged: Sequence[str]) -> Table:
    """A row for each character; ``judged`` are the stages that the policy gives a confidence."""
    table = Table("character", "verdict", *judged, "seconds", "output", box=None, pad_edge=False)
    for result in results:
        if result.report is None or result.files is None:
            table.add_row(Text(result.source.stem), Text("failed", "red"), Text(result.error))
            continue
        stages = result.report.stages
        cells = [stages[name].confidence for name in judged]
        table.add_row(
            Text(result.source.stem),
            Text(result.report.verdict, VERDICT_STYLES[result.report.verdict]),
            *("-" if c is None else f"{c:.2f}" for c in cells),
            f"{result.seconds:.1f}",
            Text(str(result.files.avatar)),
        )
    return table


def contact_sheet(results: Sequence[SetupResult]) -> bytes:
    """All previews below one another, each with name and verdict."""
    rows = []
    for result in results:
        if result.report is None or result.files is None:
            continue
        picture = Image.open(io.BytesIO(result.files.preview.read_bytes())).convert("RGB")
        strip = Image.new("RGB", (picture.width, 24), (250, 250, 248))
        write_caption(strip, f"{result.source.stem}: {result.report.verdict}")
        rows += [[strip], [picture]]
    return png_bytes(grid(rows), colours=128)


def main() -> None:
    parser = argparse.ArgumentParser(description="Set up the sample characters.")
    parser.add_argument("files", nargs="*", type=Path, help="by default benchmarks/samples/*.glb")
    parser.add_argument("--out", type=Path, default=Path("out/demo"))
    args = parser.parse_args()
    files = args.files or sorted(SAMPLES.glob("*.glb"))
    console = results_console()
    # A store in memory: the demo shows the computation, not the reuse.
    services = in_memory(open_services())
    results = [
        set_up_file(services, path, files_of(path, args.out), "development")
        for path in track(files, "setting up", console=console, transient=True)
    ]
    console.print(table_of(results, list(services.policy.stages)))
    sheet = args.out / SHEET
    sheet.write_bytes(contact_sheet(results))
    console.print(f"pictures: {sheet}")
    sys.exit(any(result.report is None for result in results))


if __name__ == "__main__":
    main()
