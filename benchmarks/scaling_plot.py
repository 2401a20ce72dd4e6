"""The plot of ``benchmarks.batch engine``: cost an item and memory over the length of the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, MARGIN = 560, 320, 64
INK, FAINT = (40, 40, 40), (210, 210, 210)
COLOURS = ((31, 119, 180), (214, 95, 38))
Row = Mapping[str, Any]
Series = tuple[str, Callable[[Row], float]]
COST: tuple[Series, ...] = (
    ("wall time", lambda row: row["wall_ms"]),
    ("CPU time of the engine", lambda row: row["engine_cpu_ms"]),
)
MEMORY: tuple[Series, ...] = (
    ("all processes", lambda row: row["all_mb"]),
    ("driver", lambda row: row["own_mb"]),
)


def draw_scaling(rows: Sequence[Row], path: Path) -> None:
    """Two panels side by side, both over the number of items on a logarithmic axis."""
    page = Image.new("RGB", (2 * WIDTH, HEIGHT), "white")
    _panel(page, 0, rows, "ms an item", COST)
    _panel(page, WIDTH, rows, "peak memory, MB", MEMORY)
    page.save(path)


def _panel(
    page: Image.Image, left: int, rows: Sequence[Row], title: str, series: Sequence[Series]
) -> None:
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    counts = np.log10([row["items"] for row in rows])
    top = 1.15 * max(value(row) for row in rows for _, value in series)
    first, last = counts.min() - 0.15, counts.max() + 0.15

    def place(count: float, value: float) -> tuple[float, float]:
        across = (count - first) / (last - first)
        return (
            left + MARGIN + across * (WIDTH - 1.5 * MARGIN),
            HEIGHT - MARGIN - value / top * (HEIGHT - 2 * MARGIN),
        )

    draw.text((left + MARGIN, 12), title, INK, font)
    for step in _steps(top):
        y = place(first, step)[1]
        draw.line([(left + MARGIN, y), (left + WIDTH - MARGIN / 2, y)], FAINT)
        draw.text((left + MARGIN - 8, y), f"{step:g}", INK, font, anchor="rm")
    for row, count in zip(rows, counts, strict=True):
        draw.text((place(count, 0)[0], HEIGHT - MARGIN + 8), f"{row['items']:,}", INK, font, "ma")
    draw.text((left + WIDTH / 2, HEIGHT - 24), "items in the batch", INK, font, anchor="ma")
    for (name, value), colour in zip(series, COLOURS, strict=True):
        points = [place(c, value(row)) for row, c in zip(rows, counts, strict=True)]
        draw.line(points, colour, 2)
        for x, y in points:
            draw.ellipse([x - 3, y - 3, x + 3, y + 3], colour)
        above = (name, value) == series[0]  # the lower line has its name below it
        x, y = points[-1]
        draw.text((x, y - 8 if above else y + 8), name, colour, font, "rd" if above else "ra")


def _steps(top: float) -> list[float]:
    step = 10 ** np.floor(np.log10(top))
    step = step / 5 if top / step < 2 else step / 2 if top / step < 5 else step
    return [float(s) for s in np.arange(0, top, step)]
