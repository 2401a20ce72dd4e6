"""What a reviewer can decide about a job, and the reasons that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from rigline.errors import InvalidInput
from rigline.review.correction import Correction

MAX_NOTE: Final = 2000
"""Characters in a note or reason."""


class DecisionKind(StrEnum):
    """Approve: publish as it is. Correct: run again from what was changed. Reject: give up."""

    APPROVE = "approve"
    CORRECT = "correct"
    REJECT = "reject"


class RejectCode(StrEnum):
    """Why a job cannot become an avatar; ``OTHER`` needs a note."""

    NOT_HUMANOID = "not_humanoid"
    SEVERAL_CHARACTERS = "several_characters"
    INCOMPLETE_BODY = "incomplete_body"
    BROKEN_MESH = "broken_mesh"
    UNUSABLE_POSE = "unusable_pose"
    UNUSABLE_TEXTURES = "unusable_textures"
    POLICY_VIOLATION = "policy_violation"
    DUPLICATE = "duplicate"
    OTHER = "other"


@dataclass(frozen=True)
class Approval:
    """The avatar is good as it is; nothing runs again."""

    note: str = ""
    kind: ClassVar[DecisionKind] = DecisionKind.APPROVE

    def __post_init__(self) -> None:
        checked_note(self.note)

    def details(self) -> Mapping[str, str]:
        """For the audit."""
        return {"note": self.note} if self.note else {}


@dataclass(frozen=True)
class Corrections:
    """The stages named are as corrected; what depends on them runs again.

    Raises ``InvalidInput`` for no correction at all and for two of one stage.
    """

    corrections: tuple[Correction, ...]
    note: str = ""
    kind: ClassVar[DecisionKind] = DecisionKind.CORRECT

    def __post_init__(self) -> None:
        checked_note(self.note)
        stages = self.stages
        if not stages:
            raise InvalidInput("No correction is given.", remedy="Approve what needs none.")
        for stage in stages:
            if stages.count(stage) > 1:
                raise InvalidInput(
                    f"The stage {stage!r} is corrected twice in one decision.",
                    remedy="Put its operations into one correction.",
                    stage=stage,
                )

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages corrected."""
        return tuple(c.stage for c in self.corrections)

    def details(self) -> Mapping[str, str]:
        """For the audit; the operations themselves are kept with the decision."""
        return {"stages": ", ".join(self.stages), **({"note": self.note} if self.note else {})}


@dataclass(frozen=True)
class Rejection:
    """No avatar comes of this asset. Raises ``InvalidInput`` for ``OTHER`` without a note."""

    code: RejectCode
    note: str = ""
    kind: ClassVar[DecisionKind] = DecisionKind.REJECT

    def __post_init__(self) -> None:
        if self.code not in set(RejectCode):
            raise InvalidInput(
                f"There is no reason {self.code!r} to reject a job.",
                remedy=f"The reasons are {', '.join(RejectCode)}.",
                code=self.code,
            )
        checked_note(self.note)
        if self.code == RejectCode.OTHER:
            checked_reason(self.note, "rejecting for another reason")

    def details(self) -> Mapping[str, str]:
        """For the audit."""
        return {"code": str(self.code), **({"note": self.note} if self.note else {})}


Decision = Approval | Corrections | Rejection


def checked_note(text: str) -> str:
    """``text`` itself; ``InvalidInput`` when it is too long."""
    if len(text) > MAX_NOTE:
        raise InvalidInput(
            f"The note has {len(text)} characters.",
            remedy=f"At most {MAX_NOTE} are kept.",
            length=len(text),
        )
    return text


def checked_reason(text: str, why: str) -> str:
    """``text`` itself; ``InvalidInput`` when it says nothing, or too much."""
    if not text.strip():
        raise InvalidInput(f"A reason is needed for {why}.", remedy="Say it in a few words.")
    return checked_note(text)
