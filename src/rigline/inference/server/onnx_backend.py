"""Triton's backend ``rigline_onnx``: ONNX Runtime behind the python backend.

Copied as ``model.py`` into the server's backend folder and run by its stub processes, in the
server's own environment. Nothing of Rigline is there, and Rigline never imports this module.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any

import onnxruntime
import triton_python_backend_utils as pb_utils

TYPES = {"tensor(float)": "TYPE_FP32", "tensor(int64)": "TYPE_INT64"}


class TritonPythonModel:
    """One instance of one version of a model. The names are those that Triton calls."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load ``model.onnx``; raises when the configuration does not describe that very file."""
        config = json.loads(args["model_config"])
        version = args["model_version"]
        path = os.path.join(args["model_repository"], version, "model.onnx")
        named = f"The model {args['model_name']}, version {version},"
        parameters = {k: v["string_value"] for k, v in config.get("parameters", {}).items()}
        with open(path, "rb") as file:
            actual = hashlib.sha256(file.read()).hexdigest()
        told = parameters.get(f"sha256:{version}")
        if told != actual:
            raise ValueError(
                f"{named} has the sha256 {actual}, and its configuration says {told}: "
                "run `rigline models configure`."
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", "1"))
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [node.name for node in self.session.get_inputs()]
        self.outputs = [node.name for node in self.session.get_outputs()]
        for side, nodes in (
            ("input", self.session.get_inputs()),
            ("output", self.session.get_outputs()),
        ):
            _check_tensors(named, side, config[side], nodes)

    def execute(self, requests: Sequence[Any]) -> None:
        """Answer the requests that Triton gathered, each as soon as it is computed.

        They run one after the other: one thread of a CPU is slower on a joined batch, whose
        intermediate values leave its cache. A request that fails fails alone.
        """
        for request in requests:
            sender = request.get_response_sender()
            try:
                response = self._answer(request)
            except Exception as error:
                response = pb_utils.InferenceResponse(
                    error=pb_utils.TritonError(f"{type(error).__name__}: {error}")
                )
            sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _answer(self, request: Any) -> Any:
        # What nobody asked for must not be sent.
        wanted = [name for name in self.outputs if name in request.requested_output_names()]
        values = self.session.run(wanted, {n: _array(request, n) for n in self.inputs})
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(*pair) for pair in zip(wanted, values, strict=True)]
        )


def _array(request: Any, name: str) -> Any:
    return pb_utils.get_input_tensor_by_name(request, name).as_numpy()


def _check_tensors(named: str, side: str, told: Sequence[dict[str, Any]], nodes: Any) -> None:
    """Raise when a tensor of the file is not as the configuration says."""
    wanted = {t["name"]: (t["data_type"], tuple(int(d) for d in t["dims"])) for t in told}
    actual = {
        node.name: (
            TYPES.get(node.type, node.type),
            tuple(d if isinstance(d, int) else -1 for d in node.shape[1:]),
        )
        for node in nodes
    }
    if wanted.keys() != actual.keys():
        raise ValueError(f"{named} has the {side}s {sorted(actual)}, not {sorted(wanted)}.")
    for name, (kind, dims) in actual.items():
        want_kind, want_dims = wanted[name]
        same = len(dims) == len(want_dims) and all(
            size in (-1, want) for size, want in zip(dims, want_dims, strict=True)
        )
        if kind != want_kind or not same:
            raise ValueError(
                f"{named} has the {side} {name} of {kind} {list(dims)}, "
                f"and its configuration says {want_kind} {list(want_dims)}."
            )
