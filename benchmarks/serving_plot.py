"""The picture of ``benchmarks.serving``: throughput and latency over the number of clients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = ("#4c78a8", "#e45756", "#54a24b")


class Measured(Protocol):
    """What of a cell is drawn."""

    arm: str
    clients: int
    avatars_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_s: float


def plot(cells: Sequence[Measured], path: Path) -> None:
    """Throughput, latency (p50 solid, p99 dotted) and CPU seconds of each arm."""
    figure, (speed, wait, cost) = plt.subplots(1, 3, figsize=(13, 3.8))
    wait.set_yscale("log")
    for arm, colour in zip(dict.fromkeys(c.arm for c in cells), COLOURS, strict=False):
        own = [c for c in cells if c.arm == arm]
        clients = [c.clients for c in own]
        speed.plot(clients, [c.avatars_per_s for c in own], marker="o", color=colour, label=arm)
        wait.plot(clients, [c.p50_ms / 1e3 for c in own], marker="o", color=colour)
        wait.plot(clients, [c.p99_ms / 1e3 for c in own], linestyle=":", color=colour)
        cost.plot(clients, [c.cpu_s for c in own], marker="o", color=colour)
    for axis, title, bottom in (
        (speed, "avatars a second", 0),
        (wait, "seconds an avatar waits (p50 solid, p99 dotted)", None),
        (cost, "CPU seconds an avatar", 0),
    ):
        axis.set_xscale("log", base=2)
        axis.set_xticks([c.clients for c in cells], [str(c.clients) for c in cells])
        axis.set_xlabel("clients")
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
        if bottom is not None:
            axis.set_ylim(bottom=bottom)
    speed.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
