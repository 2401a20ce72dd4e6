"""Numbers, times and foreign text as people read them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from rigline.errors import RiglineError

_STEPS: Final = ((86400, "day"), (3600, "hour"), (60, "minute"))
_ADDRESS: Final = re.compile(r"(www(?=\.)|@|:(?=//))")
_JOINER: Final = "\u2060"
_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")


def plain(text: str) -> str:
    """Text that Streamlit's Markdown shows as it is: no markup, no colours, no formulas, one line.

    CommonMark lets every ASCII punctuation mark be escaped by a backslash. Addresses would become
    links nonetheless, so an invisible joiner stands where they would be recognised.
    """
    line = _ADDRESS.sub(rf"\1{_JOINER}", " ".join(text.split()))
    return _PUNCTUATION.sub(r"\\\1", line)


def span(time: timedelta) -> str:
    """A time in its largest unit: ``3 hours``, ``1 day``, ``just now`` below a minute."""
    seconds = time.total_seconds()
    for size, name in _STEPS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "just now"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago a moment was."""
    words = span(now - moment)
    return words if words == "just now" else f"{words} ago"


def percent(share: float | None) -> str:
    """A share of one in per cent; a dash for none."""
    return "–" if share is None else f"{100 * share:.0f} %"


def size(count: int) -> str:
    """Bytes in KiB or MiB."""
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"


def code_words(code: str) -> str:
    """``broken_mesh`` as ``broken mesh``."""
    return code.replace("_", " ")


def refusal(error: RiglineError) -> dict[str, str]:
    """An error for the editor; where a claim was lost, in words that fit what the person sees."""
    conflict = str(error.fields.get("conflict", ""))
    said, remedy = error.message, error.remedy
    if conflict == "lease_expired" or (
        conflict == "illegal_transition" and error.fields.get("state") in ("open", "escalated")
    ):
        said, remedy = "Your claim has run out.", "Claim the ticket again to go on."
    elif conflict in ("stale_token", "not_yours"):
        said, remedy = "Your claim ran out, and somebody else has the ticket now.", ""
    return {"message": said, "remedy": remedy, "conflict": conflict}
