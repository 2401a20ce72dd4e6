"""Several callers ask the models at once, and the models are asked as few times as may be."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rigline.engine.stage import Arrays, Models
from rigline.errors import ContractViolation

Outputs = dict[str, npt.NDArray[np.float32]]


@dataclass
class _Request:
    model: str
    inputs: Arrays
    rows: int
    outputs: Outputs | None = None
    error: Exception | None = None
    done: bool = False


@dataclass
class TogetherModels:
    """The models, for ``members`` callers in threads of their own, each asking one thing at a time.

    Requests are held until every member that is still at work has asked; then those for one model
    whose arrays differ in their first axis alone are joined along it, and asked as one. No clock is
    involved: a member that works on makes the others wait, and one that leaves does not. The last
    bits of an answer may depend on the company, as matrix products are summed in another order.
    """

    models: Models
    members: int
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _asked: list[_Request] = field(default_factory=list)

    @contextmanager
    def member(self) -> Iterator[None]:
        """The time in which one of the members may ask."""
        try:
            yield
        finally:
            with self._changed:
                self.members -= 1
                self._answer_if_complete()

    def infer(self, model: str, inputs: Arrays) -> Outputs:
        """The outputs of a model by name, as the models themselves would give them."""
        rows = {len(array) for array in inputs.values()}
        request = _Request(model, inputs, rows.pop() if len(rows) == 1 else -1)
        with self._changed:
            self._asked.append(request)
            self._answer_if_complete()
            self._changed.wait_for(lambda: request.done)
        if request.error is not None:
            raise request.error
        return request.outputs or {}

    def version(self, model: str) -> str:
        """What the model's answers depend on."""
        return self.models.version(model)

    def _answer_if_complete(self) -> None:
        """Ask for all who wait, once nobody else is left to wait for. The lock is held."""
        if not self._asked or len(self._asked) < self.members:
            return
        asked, self._asked = self._asked, []
        for alike in _groups(asked):
            self._answer(alike)
        self._changed.notify_all()

    def _answer(self, requests: Sequence[_Request]) -> None:
        try:
            if len(requests) > 1:
                self._answer_joined(requests)
                return
        except Exception:  # one of them may be at fault: each is asked alone and gets its own
            pass
        for request in requests:
            try:
                request.outputs = self.models.infer(request.model, request.inputs)
            except Exception as error:  # which is raised where the question came from
                request.error = error
            request.done = True

    def _answer_joined(self, requests: Sequence[_Request]) -> None:
        first = requests[0]
        inputs = {name: np.concatenate([r.inputs[name] for r in requests]) for name in first.inputs}
        outputs = self.models.infer(first.model, inputs)
        ends = np.cumsum([r.rows for r in requests])
        for name, array in outputs.items():
            if len(array) != ends[-1]:
                raise ContractViolation(f"{first.model} gave {name} with {len(array)} rows.")
        for request, end in zip(requests, ends, strict=True):
            begin = end - request.rows
            request.outputs = {n: array[begin:end] for n, array in outputs.items()}
        for request in requests:
            request.done = True


def _groups(requests: Sequence[_Request]) -> list[list[_Request]]:
    """Requests that can be asked as one: the same model, shapes and kinds but for the first axis.

    A request whose arrays have no first axis in common stays alone.
    """
    groups: dict[object, list[_Request]] = defaultdict(list)
    for number, request in enumerate(requests):
        shapes = tuple(
            (name, array.shape[1:], array.dtype.str) for name, array in request.inputs.items()
        )
        alone = number if request.rows < 0 else None
        groups[(request.model, shapes, alone)].append(request)
    return list(groups.values())
