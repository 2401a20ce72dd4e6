"""The files in ``deploy/``: accepted by the published schemas, and in step with the code."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rigline.inference.contracts import STAGE_MODELS
from rigline.inference.endpoint_address import parse_endpoints
from rigline.inference.server.environment import requirements
from rigline.inference.server.process import Ports
from tests.support.published_schemas import ClusterSchemas, compose_errors, fetched

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
CLUSTER = sorted((*DEPLOY.glob("kubernetes/*.yaml"), *DEPLOY.glob("kserve/*.yaml")))
OBJECTS = [
    pytest.param(document, id=f"{path.parent.name}-{document['kind']}")
    for path in CLUSTER
    for document in yaml.safe_load_all(path.read_text())
]
RAY_JOB = yaml.safe_load((DEPLOY / "ray/kuberay.yaml").read_text())
RAY_CLUSTER = RAY_JOB["spec"]["rayClusterSpec"]
PODS = [
    pytest.param(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, **group["template"]},
        id=f"ray-{name}",
    )
    for name, group in (
        ("head", RAY_CLUSTER["headGroupSpec"]),
        *((group["groupName"], group) for group in RAY_CLUSTER["workerGroupSpecs"]),
    )
]
IMAGE = "nvcr.io/nvidia/tritonserver:24.10-py3"


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> ClusterSchemas:
    return ClusterSchemas(fetched(tmp_path_factory.mktemp("schemas")))


def compose() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())


def test_the_compose_file_follows_the_specification() -> None:
    assert compose_errors(compose()) == []
    wrong = compose()
    wrong["services"]["triton"]["imago"] = "x"
    assert compose_errors(wrong)


@pytest.mark.server
@pytest.mark.parametrize("document", OBJECTS + PODS)
def test_a_cluster_would_accept_every_object(
    schemas: ClusterSchemas, document: dict[str, Any]
) -> None:
    assert schemas.errors(document) == []


@pytest.mark.server
@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", ("spec", "replica"), 2),
        ("Deployment", ("spec", "template", "spec", "containers", 0, "ports", 0, "name"), 7),
        ("Service", ("spec", "ports", 0, "port"), "http"),
        ("InferenceService", ("spec", "predictor", "modle"), {}),
        ("InferenceService", ("spec", "predictor", "minReplicas"), "one"),
        ("InferenceService", ("spec", "predictor", "model", "ports", 0, "containerPort"), "grpc"),
        ("InferenceService", ("metadata", "nome"), "rigline"),
    ],
)
def test_a_slip_would_be_noticed(
    schemas: ClusterSchemas, kind: str, path: tuple[Any, ...], value: Any
) -> None:
    (whole,) = [p.values[0] for p in OBJECTS if p.values[0]["kind"] == kind]
    document = copy.deepcopy(whole)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert len(schemas.errors(document)) == 1


def command_of(document: dict[str, Any]) -> list[str]:
    (container,) = document["spec"]["template"]["spec"]["containers"]
    assert container["image"] == IMAGE
    return container["args"]


def test_all_start_the_same_server_in_the_same_way() -> None:
    (deployment,) = [p.values[0] for p in OBJECTS if p.values[0]["kind"] == "Deployment"]
    service = compose()["services"]["triton"]
    assert service["image"] == IMAGE
    # Their image has no scipy, which the one model that no stage asks needs.
    loads = {f"--load-model={model}" for model in STAGE_MODELS}
    same = {
        "--model-control-mode=explicit", "--disable-auto-complete-config",
        "--strict-readiness=false", *loads,
    }  # fmt: skip
    for command in (service["command"], command_of(deployment)):
        assert command[0] == "tritonserver"
        assert same <= set(command)
    (inference,) = [p.values[0] for p in OBJECTS if p.values[0]["kind"] == "InferenceService"]
    assert same == set(inference["spec"]["predictor"]["model"]["args"])


def test_the_ports_are_those_that_rigline_serve_has() -> None:
    ports = Ports()
    published = {line.rpartition(":")[2] for line in compose()["services"]["triton"]["ports"]}
    assert published == {str(p) for p in (ports.http, ports.grpc, ports.metrics)}
    assert all(p.startswith("127.0.0.1:") for p in compose()["services"]["triton"]["ports"])


def test_the_compose_file_serves_the_repository_of_the_checkout() -> None:
    (volume,) = compose()["services"]["triton"]["volumes"]
    source, _, mode = volume.split(":")
    assert (COMPOSE.parent / source).resolve() == DEPLOY.parent / "models_repo"
    assert mode == "ro"


def test_the_endpoints_in_the_readme_can_be_read() -> None:
    (text,) = re.findall(r"RIGLINE_ENDPOINTS='(.*)'", (DEPLOY / "README.md").read_text())
    assert [str(address.kind) for address in parse_endpoints(text)] == ["onprem", "cloud"]


def test_the_image_is_the_release_that_the_wheel_carries() -> None:
    """Triton 2.51, in the wheel pytriton 0.7.0, is release 24.10 of the image."""
    assert "nvidia-pytriton==0.7.0" in requirements()
    assert IMAGE.endswith(":24.10-py3")
