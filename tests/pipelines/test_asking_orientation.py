"""How many questions the orientation of an asset takes."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rigline.avatar.canonical import COMPOSED, EVEN_TURNS, ODD_TURNS, TURNS
from rigline.engine.stage import Arrays, StageContext
from rigline.pipelines.avatar_stages import ask_orientation
from tests.support.bodies import box_body

STANDING = 7


class Recognising:
    """A model that names the turn of what it is shown, as sure of it as it was told to be."""

    def __init__(self, sureness: float) -> None:
        self.sureness, self.asked = sureness, list[npt.NDArray[Any]]()

    def infer(self, model: str, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        turns = [EVEN_TURNS, ODD_TURNS][len(self.asked)]
        self.asked.append(inputs["features"])
        log_probability = np.zeros((len(turns), 24), np.float32)
        log_probability[np.arange(len(turns)), COMPOSED[turns, STANDING]] = self.sureness
        return {"log_probability": log_probability, "yaw": np.tile([1.0, 0.0], (len(turns), 1))}


@pytest.mark.parametrize(("sureness", "questions"), [(6.0, 1), (0.5, 2)])
def test_the_second_half_is_asked_only_where_the_first_is_not_decisive(
    sureness: float, questions: int
) -> None:
    models = Recognising(sureness)
    found = ask_orientation(StageContext(models), box_body().mesh)
    assert found.turn == STANDING
    assert len(models.asked) == questions


def test_each_half_of_the_turns_shows_a_sampling_of_its_own() -> None:
    models = Recognising(0.5)
    ask_orientation(StageContext(models), box_body().mesh)
    upright = []
    for features, turns in zip(models.asked, (EVEN_TURNS, ODD_TURNS), strict=True):
        back = features[:, :, :3] @ TURNS[turns].astype(np.float32)
        np.testing.assert_allclose(back, np.broadcast_to(back[:1], back.shape), atol=1e-6)
        upright.append(back[0])
    assert np.abs(upright[0] - upright[1]).max() > 0.01


def test_a_prior_counts_as_evidence() -> None:
    prior = np.where(np.arange(24) == STANDING, 6.0, 0.0)
    models = Recognising(0.1)
    assert ask_orientation(StageContext(models), box_body().mesh, prior).turn == STANDING
    assert len(models.asked) == 1
