"""Decisions say what they must, and no more than can be kept."""

from __future__ import annotations

from typing import Any

import pytest

from rigline.errors import InvalidInput
from rigline.review.decision import Approval, Corrections, RejectCode, Rejection
from tests.support.tickets import joint_correction


def test_one_decision_corrects_several_stages_each_once() -> None:
    decision = Corrections((joint_correction("rig"), joint_correction("cage")), "both arms")
    assert decision.stages == ("rig", "cage")
    assert decision.details() == {"stages": "rig, cage", "note": "both arms"}
    with pytest.raises(InvalidInput, match="'rig' is corrected twice"):
        Corrections((joint_correction(), joint_correction()))
    with pytest.raises(InvalidInput, match="No correction"):
        Corrections(())


@pytest.mark.parametrize("code", RejectCode)
def test_a_rejection_has_a_code_and_another_reason_a_note(code: RejectCode) -> None:
    assert Rejection(code, "seen twice").details() == {"code": code.value, "note": "seen twice"}
    if code == RejectCode.OTHER:
        with pytest.raises(InvalidInput, match="reason is needed"):
            Rejection(code, " ")
    else:
        assert Rejection(code).details() == {"code": code.value}


def test_an_unknown_code_is_refused() -> None:
    unknown: Any = "ugly"
    with pytest.raises(InvalidInput, match="'ugly'") as caught:
        Rejection(unknown)
    assert "not_humanoid" in caught.value.remedy


@pytest.mark.parametrize(
    "make", [Approval, lambda n: Corrections((joint_correction(),), n),
             lambda n: Rejection(RejectCode.OTHER, n)],
)  # fmt: skip
def test_a_note_has_an_end(make: Any) -> None:
    make("x" * 2000)
    with pytest.raises(InvalidInput, match="2001 characters"):
        make("x" * 2001)
