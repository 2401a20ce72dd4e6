"""One Triton server over gRPC: what it serves, checked against what the code expects, and answers.

The library ``tritonclient`` speaks the protocol: tensors travel as raw bytes over one connection
that is kept and shared by all threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from rigline.engine.stage import Arrays
from rigline.errors import ContractViolation, InvalidInput, ServiceUnavailable
from rigline.inference.contracts import CONTRACTS, ModelContract, Tensor, contract_of
from rigline.inference.repository import version_id
from rigline.inference.routing import ServedVersion
from rigline.inference.tls import Tls
from rigline.inference.triton_config import SHA256_PARAMETER

CHANNEL: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A connection of one's own, which goes on looking for a lost server; by itself gRPC would wait
    # up to two minutes between two looks.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 300),
    # Where a name stands for many servers, as a headless Service does, they take turns.
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
)
_REFUSED: Final = ("INVALID_ARGUMENT", "OUT_OF_RANGE", "FAILED_PRECONDITION")
_NOT_LOADED: Final = ("failed to load", "load failed")
"""How Triton says so: of a configuration that it cannot use, of a version that does not start."""

_TRUST: Final = (
    "Name the authority of its certificate in RIGLINE_ENDPOINTS, tls=true&ca=FILE; the certificate "
    "has to be for this very host."
)
_BROKEN: Final = ("UNIMPLEMENTED", "UNAUTHENTICATED", "PERMISSION_DENIED")


class TritonEndpoint:
    """A server at ``target``, ``host:port``. Safe for many threads. Connects when first asked."""

    def __init__(self, target: str, tls: Tls | None = None) -> None:
        """Raises ``InvalidInput`` for a file of ``tls`` that cannot be used."""
        self.target = target
        trust = tls or Tls()
        trust.check(target)
        self._client = grpcclient.InferenceServerClient(
            target,
            ssl=tls is not None,
            root_certificates=trust.ca,
            certificate_chain=trust.cert,
            private_key=trust.key,
            channel_args=list(CHANNEL),
        )

    def serving(self, timeout_s: float) -> frozenset[ServedVersion]:
        """The versions of the models that the server is ready to answer for.

        Models that the code does not know are passed over. Raises ``ContractViolation`` for one
        whose tensors are others than the code expects, or whose weights cannot be told;
        ``ServiceUnavailable`` when the server does not answer, or answers for none of them.
        """
        try:
            # Not whether it is ready: by default Triton is not while one version of one model did
            # not start, though all others answer. Its metadata list the versions that do.
            if not self._client.is_server_live(client_timeout=timeout_s):
                raise ServiceUnavailable(
                    f"{self.target} is not live.",
                    remedy="Wait until it is up, or look into its log.",
                    endpoint=self.target,
                )
            found: set[ServedVersion] = set()
            for contract in CONTRACTS.values():
                found |= self._versions(contract, timeout_s)
        except InferenceServerException as error:
            self._translate(error, "its state")
        if not found:
            raise ServiceUnavailable(
                f"{self.target} has none of Rigline's models ready.",
                remedy="Run rigline models configure on its repository, then rigline models load.",
                endpoint=self.target,
            )
        return frozenset(found)

    def infer(
        self, version: ServedVersion, inputs: Arrays, timeout_s: float, request_id: str
    ) -> dict[str, npt.NDArray[np.float32]]:
        """The outputs of a model by name.

        Raises ``InvalidInput`` when the inputs do not fit the model, ``ContractViolation`` when its
        answer is not finite or not what it promised, ``ServiceUnavailable`` when the server does
        not answer in time, or serves this version no more.
        """
        contract = contract_of(version.model)
        fitted = contract.fit(inputs)
        batch = len(fitted[contract.inputs[0].name])
        pieces = [
            self._ask(
                contract,
                version,
                {name: array[start : start + contract.max_batch] for name, array in fitted.items()},
                timeout_s,
                request_id,
            )
            for start in range(0, batch, contract.max_batch)
        ]
        if len(pieces) == 1:
            return pieces[0]
        return {t.name: np.concatenate([p[t.name] for p in pieces]) for t in contract.outputs}

    def load(self, model: str, timeout_s: float) -> None:
        """Let the server read a model and its configuration anew, and take up new versions.

        Returns when they are ready. Raises ``ServiceUnavailable`` when the server is away,
        ``InvalidInput`` when it cannot load the model: it goes on with the versions it had. With
        Triton's strict readiness, its default, ``/v2/health/ready`` then fails for the whole server
        until a load succeeds; ``rigline serve`` and ``deploy/`` turn that off.
        """
        try:
            self._client.load_model(model, client_timeout=timeout_s)
        except InferenceServerException as error:
            if any(told in str(error) for told in _NOT_LOADED):
                raise InvalidInput(
                    f"{self.target} cannot load the model {model}: {error.message()}",
                    remedy="Mend or remove the new version, run rigline models configure on its "
                    "repository, and load the model again.",
                    model=model,
                ) from error
            self._translate(error, f"the model {model}")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _ask(
        self,
        contract: ModelContract,
        version: ServedVersion,
        fitted: Arrays,
        timeout_s: float,
        request_id: str,
    ) -> dict[str, npt.NDArray[np.float32]]:
        tensors = []
        for tensor in contract.inputs:
            array = fitted[tensor.name]
            tensors.append(grpcclient.InferInput(tensor.name, list(array.shape), tensor.datatype))
            tensors[-1].set_data_from_numpy(array)
        try:
            answer = self._client.infer(
                version.model,
                tensors,
                model_version=str(version.number),
                outputs=[grpcclient.InferRequestedOutput(t.name) for t in contract.outputs],
                request_id=request_id,
                client_timeout=timeout_s,
            )
        except InferenceServerException as error:
            self._translate(error, f"the model {version.model}")
        batch = len(fitted[contract.inputs[0].name])
        return {t.name: self._checked(contract, t, answer.as_numpy(t.name), batch)
                for t in contract.outputs}  # fmt: skip

    def _checked(
        self, contract: ModelContract, tensor: Tensor, array: Any, batch: int
    ) -> npt.NDArray[np.float32]:
        told = None if array is None else array.shape
        if array is None or len(array) != batch or array.ndim != len(tensor.shape):
            raise ContractViolation(
                f"The model {contract.name} at {self.target} gave {tensor.name} with the shape "
                f"{told} for a batch of {batch}."
            )
        if not np.isfinite(array).all():
            raise ContractViolation(
                f"The model {contract.name} gave {tensor.name} that is not finite."
            )
        return np.asarray(array, np.float32)

    def _versions(self, contract: ModelContract, timeout_s: float) -> set[ServedVersion]:
        """The loaded versions of one model, checked; none while the server has not got it ready."""
        try:
            metadata = self._client.get_model_metadata(contract.name, client_timeout=timeout_s)
            config = self._client.get_model_config(contract.name, client_timeout=timeout_s).config
        except InferenceServerException as error:
            if _status(error) in ("NOT_FOUND", "INVALID_ARGUMENT"):
                return set()
            if _status(error) == "UNAVAILABLE" and contract.name in str(error):
                return set()
            raise
        self._check_tensors(contract, "inputs", contract.inputs, metadata.inputs)
        self._check_tensors(contract, "outputs", contract.outputs, metadata.outputs)
        if config.max_batch_size < contract.max_batch:
            raise self._violation(
                contract, f"batches of {config.max_batch_size}", f"{contract.max_batch}"
            )
        return {
            ServedVersion(contract.name, number, self._id(contract, number, config.parameters))
            for number in map(int, metadata.versions)
        }

    def _id(self, contract: ModelContract, number: int, parameters: Any) -> str:
        key = SHA256_PARAMETER.format(version=number)
        sha256 = parameters[key].string_value if key in parameters else ""
        if not sha256:
            raise ContractViolation(
                f"{self.target} does not say which weights {contract.name}, version {number}, has.",
                remedy="Run rigline models configure on its repository, and load the model again.",
                model=contract.name,
            )
        return version_id(number, sha256)

    def _check_tensors(
        self, contract: ModelContract, side: str, wanted: Sequence[Tensor], told: Any
    ) -> None:
        actual = {t.name: (str(t.datatype), tuple(int(d) for d in t.shape)) for t in told}
        expected = {t.name: (str(t.datatype), t.shape) for t in wanted}
        if actual.keys() != expected.keys():
            raise self._violation(
                contract,
                f"the {side} {', '.join(sorted(actual))}",
                ", ".join(sorted(expected)),
            )
        for name, (datatype, shape) in actual.items():
            if (datatype, shape) != expected[name]:
                raise self._violation(
                    contract,
                    f"{side[:-1]} {name} as {datatype} {list(shape)}",
                    f"{expected[name][0]} {list(expected[name][1])}",
                )

    def _violation(self, contract: ModelContract, has: str, wanted: str) -> ContractViolation:
        return ContractViolation(
            f"The model {contract.name} at {self.target} has {has}; the code expects {wanted}.",
            remedy="Serve the model repository that came with this Rigline.",
            model=contract.name,
            endpoint=self.target,
        )

    def _translate(self, error: InferenceServerException, asked: str) -> NoReturn:
        """Raise Rigline's own error for one of the protocol."""
        status, said = _status(error), str(error.message() or "no reason given").strip()
        message = f"{self.target}, asked for {asked}, said {status or 'an error'}: {said}"
        gone = "unknown model" in said or "is not found" in said or "is not ready" in said
        if status in _REFUSED and not gone:
            raise InvalidInput(message, endpoint=self.target) from error
        if status in _BROKEN:
            raise ContractViolation(message, endpoint=self.target) from error
        remedy = _TRUST if "handshake failed" in said.lower() else ""
        raise ServiceUnavailable(
            message, remedy=remedy, endpoint=self.target, status=status
        ) from error


def _status(error: InferenceServerException) -> str:
    """The gRPC status, such as UNAVAILABLE."""
    status = ""
    with suppress(AttributeError):
        status = str(error.status()).rpartition(".")[2]
    return status
