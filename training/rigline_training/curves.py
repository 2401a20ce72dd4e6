"""Learning curves, from the histories that runs leave in their records."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def curve_picture(histories: Mapping[str, Sequence[dict]], keys: Sequence[str]) -> bytes:
    """Learning curves of runs on characters that are not trained on: usual ones, other styles."""
    figure, axes = plt.subplots(1, len(keys), figsize=(4.5 * len(keys), 3), squeeze=False)
    for axis, key in zip(axes[0], keys, strict=True):
        for run, history in histories.items():
            for name in (k for k in history[-1] if k.endswith(key)):
                line = [h[name] for h in history]
                style = name.removesuffix(key).strip("_").replace("_", " ") or "usual styles"
                label = f"{run}, {style}" if len(histories) > 1 else style
                axis.plot([h["seconds"] / 60 for h in history], line, marker=".", label=label)
        axis.set_title(key.replace("_", " "))
        axis.set_xlabel("minutes of training")
        axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=7)
    figure.tight_layout()
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=90, metadata={"Software": None})
    plt.close(figure)
    return out.getvalue()


def one_after_the_other(records: Sequence[dict[str, Any]]) -> list[dict]:
    """The history of runs that went on from one another; of those that began alike, the first."""
    history, began, start = list[dict](), 0.0, None
    for record in records:
        if history and record["options"].get("init_from") == start:
            continue
        start = record["options"].get("init_from")
        history += [{**h, "seconds": began + h["seconds"]} for h in record["history"]]
        began = history[-1]["seconds"]
    return history
