"""Questions of several assets that become one."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from rigline.engine.stage import Arrays
from rigline.errors import InvalidInput
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.repository import shipped_repository
from rigline.inference.together import TogetherModels


class Doubling:
    """Doubles ``x``; refuses negative numbers; counts calls by model and rows."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, int]] = Counter()

    def infer(self, model: str, inputs: Arrays) -> dict[str, npt.NDArray[np.float32]]:
        x = inputs["x"]
        self.calls[model, len(x)] += 1
        if (x < 0).any():
            raise InvalidInput("negative")
        return {"y": (2 * x).astype(np.float32)}

    def version(self, model: str) -> str:
        return f"{model}-1"


def ask(
    models: TogetherModels, asked: list[list[tuple[str, npt.NDArray[np.float32]]]]
) -> list[object]:
    """Each member asks its questions in turn; the last answer or error of each."""

    def member(number: int) -> object:
        with models.member():
            answer: object = None
            for model, x in asked[number]:
                try:
                    answer = models.infer(model, {"x": x})["y"]
                except InvalidInput as error:
                    answer = error
            return answer

    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(member, range(len(asked))))


def rows(count: int, width: int = 3, first: float = 1.0) -> npt.NDArray[np.float32]:
    return np.full((count, width), first, np.float32)


def test_equal_questions_are_asked_as_one_and_answered_apart() -> None:
    inner = Doubling()
    asked = [[("m", rows(n, first=n))] for n in (1, 2, 3)]
    answers = ask(TogetherModels(inner, 3), asked)
    assert inner.calls == {("m", 6): 1}
    for n, answer in zip((1, 2, 3), answers, strict=True):
        np.testing.assert_array_equal(answer, rows(n, first=2 * n))


def test_other_models_and_other_shapes_are_asked_apart() -> None:
    inner = Doubling()
    ask(TogetherModels(inner, 3), [[("m", rows(1))], [("n", rows(1))], [("m", rows(1, width=4))]])
    assert inner.calls == {("m", 1): 2, ("n", 1): 1}


def test_a_member_that_asks_less_keeps_nobody_waiting() -> None:
    inner = Doubling()
    asked = [[("m", rows(1))] * 3, [("m", rows(1))], []]
    ask(TogetherModels(inner, 3), asked)
    assert inner.calls == {("m", 2): 1, ("m", 1): 2}


def test_a_question_that_cannot_be_answered_spoils_no_other() -> None:
    good, bad = ask(TogetherModels(Doubling(), 2), [[("m", rows(2))], [("m", -rows(1))]])
    np.testing.assert_array_equal(good, rows(2, first=2))
    assert isinstance(bad, InvalidInput)


@pytest.mark.parametrize("members", [2, 5])
def test_real_models_answer_as_they_do_alone(members: int) -> None:
    models = EmbeddedModels(shipped_repository())
    random = np.random.default_rng(0)
    inputs = [
        {
            "features": random.normal(size=(1, 512, 6)).astype(np.float32),
            "neighbours": random.integers(0, 512, (1, 64, 16)),
        }
        for _ in range(members)
    ]
    together = TogetherModels(models, members)

    def member(number: int) -> dict[str, npt.NDArray[np.float32]]:
        with together.member():
            return together.infer("avatar_orientation", inputs[number])

    with ThreadPoolExecutor(members) as pool:
        joined = list(pool.map(member, range(members)))
    for one, answer in zip(inputs, joined, strict=True):
        alone = models.infer("avatar_orientation", one)
        for name, values in alone.items():
            np.testing.assert_allclose(answer[name], values, rtol=1e-4, atol=1e-5)
