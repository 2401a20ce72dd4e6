"""ONNX Runtime and the cage's kernel in this process: the backend that needs no server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument

from rigline.engine.stage import Arrays
from rigline.errors import ContractViolation, InvalidInput, ServiceUnavailable
from rigline.inference.contracts import contract_of
from rigline.inference.kernels import check_kernel, run_kernel
from rigline.inference.repository import ModelFile, find_model

Run = Callable[[Arrays], dict[str, npt.NDArray[Any]]]

OUT_OF_MEMORY: Final = "std::bad_alloc"
"""What ONNX Runtime says of an allocation that failed, whatever the type of its error."""


class EmbeddedModels:
    """Runs the newest version of each model of a repository, loaded when first asked for.

    Safe for many threads: sessions may be shared, and are made once. Deterministic on one machine.
    ``threads`` bounds those of one call; 0 leaves the choice to ONNX Runtime.
    """

    def __init__(self, repository: Path, threads: int = 1) -> None:
        self._repository = repository
        self._threads = threads
        self._lock = threading.Lock()
        self._files: dict[str, ModelFile] = {}
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    def infer(self, model: str, inputs: Arrays) -> dict[str, npt.NDArray[np.float32]]:
        """The outputs of a model by name.

        Raises ``InvalidInput`` when the inputs do not fit the model, ``ContractViolation`` when
        its answer is not finite or its file cannot be loaded, and ``ServiceUnavailable`` when there
        is no memory to load it.
        """
        run = self._kernel(model) if contract_of(model).kernel else self._network(model)
        fitted = contract_of(model).fit(inputs)
        try:
            outputs = run(fitted)
        except (InvalidArgument, Fail, ValueError, RuntimeError) as error:
            raise InvalidInput(
                f"The model {model} refused its inputs: {error}",
                model=model,
                shapes={name: array.shape for name, array in inputs.items()},
            ) from error
        for name, value in outputs.items():
            if not np.isfinite(value).all():
                raise ContractViolation(f"The model {model} gave {name} that is not finite.")
        return outputs

    def preload(self, model: str) -> None:
        """Load a model now rather than with its first question. Raises as :meth:`infer` would."""
        _ = self._kernel(model) if contract_of(model).kernel else self._session(model)

    def version(self, model: str) -> str:
        """The version number and the beginning of the file's sha256."""
        return self._file(model).id

    def _file(self, model: str) -> ModelFile:
        with self._lock:
            if model not in self._files:
                self._files[model] = find_model(self._repository, model)
            return self._files[model]

    def _kernel(self, model: str) -> Run:
        check_kernel(self._file(model))
        return run_kernel

    def _network(self, model: str) -> Run:
        session = self._session(model)
        names = [output.name for output in session.get_outputs()]
        return lambda fitted: dict(zip(names, session.run(None, fitted), strict=True))

    def _session(self, model: str) -> onnxruntime.InferenceSession:
        file = self._file(model)
        with self._lock:
            if model not in self._sessions:
                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = self._threads
                options.log_severity_level = 3
                try:
                    self._sessions[model] = onnxruntime.InferenceSession(
                        str(file.path), options, providers=["CPUExecutionProvider"]
                    )
                except Exception as error:  # ONNX Runtime has a type of its own for each fault
                    if isinstance(error, MemoryError) or OUT_OF_MEMORY in str(error):
                        raise ServiceUnavailable(
                            f"There is not enough memory to load the model {file.path}.",
                            remedy="Allow more: a batch's workers have --memory-mib each.",
                        ) from MemoryError(str(error))
                    raise ContractViolation(
                        f"The model {file.path} cannot be loaded: {error}",
                        remedy="The file may be damaged, or a Git LFS pointer; fetch it again.",
                    ) from error
            return self._sessions[model]
