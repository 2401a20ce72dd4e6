"""The running server speaks the Open Inference Protocol v2, to a client that is not ours."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as httpclient
from tritonclient.utils import InferenceServerException

from rigline.inference.contracts import CONTRACTS
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.repository import find_model, shipped_repository
from rigline.inference.server.process import TritonServer
from tests.support.model_inputs import MODELS, inputs_of

pytestmark = pytest.mark.server
every_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def client(triton_server: TritonServer) -> Iterator[httpclient.InferenceServerClient]:
    target = triton_server.plan.http.removeprefix("http://")
    with httpclient.InferenceServerClient(target) as client:
        yield client


def test_server_and_models_say_that_they_are_ready(
    client: httpclient.InferenceServerClient,
) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    for model in CONTRACTS:
        assert client.is_model_ready(model)
        assert client.is_model_ready(model, "1")
    assert not client.is_model_ready("avatar_dancing")


def test_the_server_names_itself_and_its_extensions(
    client: httpclient.InferenceServerClient,
) -> None:
    metadata = client.get_server_metadata()
    assert metadata["name"] == "triton"
    assert "binary_tensor_data" in metadata["extensions"]


@every_model
def test_metadata_has_the_fields_of_the_protocol(
    client: httpclient.InferenceServerClient, model: str
) -> None:
    metadata, contract = client.get_model_metadata(model), CONTRACTS[model]
    assert metadata["name"] == model
    assert metadata["versions"] == ["1"]
    for side, tensors in (("inputs", contract.inputs), ("outputs", contract.outputs)):
        assert metadata[side] == [
            {"name": t.name, "datatype": t.datatype, "shape": list(t.shape)} for t in tensors
        ]
    parameters = client.get_model_config(model)["parameters"]
    sha256 = find_model(shipped_repository(), model).sha256
    assert parameters["sha256:1"] == {"string_value": sha256}


@every_model
@pytest.mark.parametrize("binary", [True, False])
def test_answers_are_those_of_the_embedded_models(
    client: httpclient.InferenceServerClient, model: str, binary: bool
) -> None:
    inputs = inputs_of(model, 1)
    tensors = []
    for tensor in CONTRACTS[model].inputs:
        array = np.ascontiguousarray(inputs[tensor.name])
        tensors.append(httpclient.InferInput(tensor.name, list(array.shape), tensor.datatype))
        tensors[-1].set_data_from_numpy(array, binary_data=binary)
    wanted = [
        httpclient.InferRequestedOutput(t.name, binary_data=binary)
        for t in CONTRACTS[model].outputs
    ]
    answer = client.infer(model, tensors, "1", wanted, request_id="seven")
    told = answer.get_response()
    assert (told["model_name"], told["model_version"], told["id"]) == (model, "1", "seven")
    for name, array in EmbeddedModels(shipped_repository()).infer(model, inputs).items():
        assert answer.as_numpy(name) == pytest.approx(array, abs=1e-4)


def test_a_wrong_shape_is_an_error_of_the_protocol(
    client: httpclient.InferenceServerClient,
) -> None:
    tensor = httpclient.InferInput("features", [1, 3, 6], "FP32")
    tensor.set_data_from_numpy(np.zeros((1, 3, 6), np.float32))
    with pytest.raises(InferenceServerException) as caught:
        client.infer("avatar_rigging", [tensor])
    assert caught.value.status() == "400"


def test_a_request_by_hand_is_answered_in_plain_json(triton_server: TritonServer) -> None:
    """As the protocol's text has it, with nothing but the standard library."""
    inputs = inputs_of("avatar_orientation", 1)
    body: dict[str, Any] = {
        "id": "by-hand",
        "inputs": [
            {
                "name": tensor.name,
                "shape": list(inputs[tensor.name].shape),
                "datatype": tensor.datatype,
                "data": inputs[tensor.name].ravel().tolist(),
            }
            for tensor in CONTRACTS["avatar_orientation"].inputs
        ],
        "outputs": [{"name": "yaw"}],
    }
    request = urllib.request.Request(
        f"{triton_server.plan.http}/v2/models/avatar_orientation/versions/1/infer",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        told = json.load(response)
    assert told["id"] == "by-hand"
    (output,) = told["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("yaw", "FP32", [1, 2])
    embedded = EmbeddedModels(shipped_repository()).infer("avatar_orientation", inputs)
    assert output["data"] == pytest.approx(embedded["yaw"][0].tolist(), abs=1e-4)
