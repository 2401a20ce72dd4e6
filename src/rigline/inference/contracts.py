"""What the stages expect of each model: tensors, types, sizes. The one source of every check.

The Triton configurations are written from here (:mod:`rigline.inference.triton_config`), a server's
metadata is compared with it, and inputs are fitted to it before they travel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from rigline.avatar.body import N_PARTS
from rigline.avatar.cage_kernel import N_VERTICES
from rigline.avatar.canonical import (
    N_ORIENTATION_NEIGHBOURS,
    N_ORIENTATION_PATCHES,
    N_ORIENTATION_POINTS,
    TURNS,
)
from rigline.avatar.sampling import N_NEIGHBOURS, N_PATCHES, N_POINTS
from rigline.engine.stage import Arrays
from rigline.errors import InvalidInput

Datatype = Literal["FP32", "FP64", "INT64"]
"""As the Open Inference Protocol spells them."""

DTYPES: Final[Mapping[Datatype, type[np.generic]]] = {
    "FP32": np.float32,
    "FP64": np.float64,
    "INT64": np.int64,
}


@dataclass(frozen=True)
class Tensor:
    """One input or output. ``dims`` leave out the batch, which comes first; -1 is any size.

    Values of a tensor that ``indexes`` another are rows of that input; one that is ``beside``
    another has a row for each of its rows.
    """

    name: str
    datatype: Datatype
    dims: tuple[int, ...]
    indexes: str = ""
    beside: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes with the batch, as a server states them."""
        return (-1, *self.dims)


@dataclass(frozen=True)
class ModelContract:
    """What the code relies on of one model. A request holds at most ``max_batch`` items."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch: int
    kernel: bool = False
    """Whether a version is a file of Python, run by Rigline's own code, rather than a network."""

    @property
    def gathers(self) -> bool:
        """Whether a server may join the requests of several clients."""
        return self.max_batch > 1

    def fit(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """The inputs in the model's own types, contiguous.

        Raises ``InvalidInput`` for what is missing, has another shape, is not a number, or points
        outside the tensor that it indexes: on a server such a request would spoil the whole batch
        that it is put in. What the model does not ask for is left out.
        """
        fitted: dict[str, npt.NDArray[Any]] = {}
        for tensor in self.inputs:
            if tensor.name not in inputs:
                raise self._refusal(inputs, f"{tensor.name} is missing.")
            try:
                fitted[tensor.name] = np.ascontiguousarray(
                    inputs[tensor.name], DTYPES[tensor.datatype]
                )
            except ValueError as error:
                raise self._refusal(inputs, f"{tensor.name}: {error}") from error
        wrong = self._misfit(fitted)
        if wrong:
            raise self._refusal(inputs, wrong)
        return fitted

    def _misfit(self, arrays: Arrays) -> str:
        """What is wrong with the shapes or indices of arrays of the right types, or nothing."""
        batch = next((len(a) for a in arrays.values() if a.ndim), 0)
        for tensor in self.inputs:
            shape, wanted = arrays[tensor.name].shape, (batch or -1, *tensor.dims)
            if len(shape) != len(wanted) or not _sizes_fit(shape, wanted):
                return f"{tensor.name} has the shape {shape}, not {wanted}."
        for tensor in self.inputs:
            rows = arrays[tensor.beside].shape[1] if tensor.beside else -1
            if rows >= 0 and arrays[tensor.name].shape[1] != rows:
                return f"{tensor.name} has not the {rows} rows of {tensor.beside}."
            if tensor.indexes:
                values, rows = arrays[tensor.name], arrays[tensor.indexes].shape[1]
                if values.min() < 0 or values.max() >= rows:
                    return f"{tensor.name} points outside the {rows} rows of {tensor.indexes}."
        return ""

    def _refusal(self, inputs: Arrays, why: str) -> InvalidInput:
        return InvalidInput(
            f"The model {self.name} refused its inputs: {why}",
            model=self.name,
            shapes={name: np.shape(array) for name, array in inputs.items()},
        )


def _sizes_fit(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    pairs = zip(shape, wanted, strict=True)
    return all(size == want or (want < 0 and size > 0) for size, want in pairs)


CAGING: Final = "avatar_caging"

_BODY: Final = (
    Tensor("features", "FP32", (N_POINTS, 6)),
    Tensor("neighbours", "INT64", (N_PATCHES, N_NEIGHBOURS), indexes="features"),
)

CONTRACTS: Final[Mapping[str, ModelContract]] = {
    contract.name: contract
    for contract in (
        ModelContract(
            "avatar_orientation",
            (
                Tensor("features", "FP32", (N_ORIENTATION_POINTS, 6)),
                Tensor(
                    "neighbours",
                    "INT64",
                    (N_ORIENTATION_PATCHES, N_ORIENTATION_NEIGHBOURS),
                    indexes="features",
                ),
            ),
            (
                Tensor("log_probability", "FP32", (len(TURNS),)),
                Tensor("yaw", "FP32", (2,)),
            ),
            max_batch=4 * len(TURNS),  # a request is one asset in half of its turns
        ),
        ModelContract(
            "avatar_segmentation",
            (*_BODY, Tensor("queries", "FP32", (-1, 6))),
            (Tensor("probability", "FP32", (-1, N_PARTS)),),
            max_batch=8,  # an item with 30,000 queries takes some 100 MB while it runs
        ),
        ModelContract(
            "avatar_rigging",
            _BODY,
            (
                Tensor("joints", "FP32", (N_PARTS, 3)),
                Tensor("log_scale", "FP32", (N_PARTS,)),
                Tensor("dispersion", "FP32", (N_PARTS,)),
                Tensor("humanoid", "FP32", (1,)),
            ),
            max_batch=32,
        ),
        ModelContract(
            CAGING,
            (
                Tensor("points", "FP64", (-1, 3)),
                Tensor("part", "INT64", (-1,), indexes="joints", beside="points"),
                Tensor("joints", "FP64", (N_PARTS, 3)),
            ),
            (Tensor("vertices", "FP32", (N_VERTICES, 3)),),
            max_batch=1,  # no two bodies have as many samples, so there is nothing to join
            kernel=True,
        ),
    )
}
"""The models that can be asked, by name."""

STAGE_MODELS: Final = tuple(name for name, contract in CONTRACTS.items() if not contract.kernel)
"""Those that stages ask. Without the others, which stages run in process, nothing is missing."""


def contract_of(model: str) -> ModelContract:
    """The contract of a model; ``InvalidInput`` when no pipeline knows it."""
    if model not in CONTRACTS:
        raise InvalidInput(
            f"No pipeline knows a model {model!r}.",
            remedy=f"Known are {', '.join(sorted(CONTRACTS))}.",
            model=model,
        )
    return CONTRACTS[model]
