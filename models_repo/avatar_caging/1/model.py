"""The model ``avatar_caging`` for Triton's python backend: it runs the kernel beside it.

Copied as ``model.py`` into a version's folder and run by a server's stub processes, where nothing
of Rigline is. Needs numpy and scipy there.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

INPUTS = ("points", "part", "joints")


class TritonPythonModel:
    """One instance of one version of the model. The names are those that Triton calls."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load ``kernel.py``; raises when the configuration does not describe that very file."""
        version = args["model_version"]
        path = os.path.join(args["model_repository"], version, "kernel.py")
        with open(path, "rb") as file:
            actual = hashlib.sha256(file.read()).hexdigest()
        parameters = json.loads(args["model_config"]).get("parameters", {})
        told = parameters.get(f"sha256:{version}", {}).get("string_value")
        if told != actual:
            raise ValueError(
                f"The model {args['model_name']}, version {version}, has the sha256 {actual}, and "
                f"its configuration says {told}: run `rigline models configure`."
            )
        self.fit_vertices = _loaded(path, f"kernel_{version}").fit_vertices

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer each request; one that fails fails alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        try:
            arrays = [pb_utils.get_input_tensor_by_name(request, n).as_numpy() for n in INPUTS]
            vertices = np.stack([self.fit_vertices(*item) for item in zip(*arrays, strict=True)])
        except ValueError as error:
            code = pb_utils.TritonError.INVALID_ARG
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(said))
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("vertices", vertices.astype(np.float32))]
        )


def _loaded(path: str, name: str) -> Any:
    """The kernel as a module; no bytecode is left in the repository."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for the types of their fields
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module
