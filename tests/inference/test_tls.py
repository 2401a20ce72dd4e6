"""Servers that are asked over TLS: a real Triton, with certificates made for the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from rigline.backends import open_servers
from rigline.errors import InvalidInput, ServiceUnavailable
from rigline.inference.server.environment import ServerEnvironment
from rigline.inference.server.process import Ports, ServerPlan, TritonServer
from rigline.inference.tls import Tls
from rigline.inference.triton import TritonEndpoint
from rigline.settings import load_settings
from tests.support.model_inputs import orientation_inputs
from tests.support.model_versions import repository_of

ORIENTATION = "avatar_orientation"
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Certificates:
    """An authority, a server and a client that it vouches for; and somebody else's authority."""

    ca: Path
    other_ca: Path
    server: tuple[Path, Path]
    client: tuple[Path, Path]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder, authority = tmp_path_factory.mktemp("certificates"), trustme.CA()
    paths = {"ca": folder / "ca.pem", "other": folder / "other.pem"}
    authority.cert_pem.write_to_path(str(paths["ca"]))
    trustme.CA().cert_pem.write_to_path(str(paths["other"]))

    def pair(name: str, *identities: str) -> tuple[Path, Path]:
        issued = authority.issue_cert(*identities)
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        for n, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(str(cert), append=n > 0)
        issued.private_key_pem.write_to_path(str(key))
        return cert, key

    return Certificates(
        paths["ca"], paths["other"], pair("server", "127.0.0.1"), pair("client", "worker.example")
    )


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def secure_server(
    stack: ExitStack, environment: ServerEnvironment, folder: Path, certificates: Certificates,
    option: str,
) -> str:  # fmt: skip
    """The address of a Triton whose gRPC port speaks TLS alone."""
    cert, key = certificates.server
    plan = ServerPlan(
        repository_of(folder / "models", ORIENTATION), folder / "log", Ports.free(),
        arguments=(
            f"--{option}=true", f"--grpc-server-cert={cert}", f"--grpc-server-key={key}",
            f"--grpc-root-cert={certificates.ca}",
        ),
    )  # fmt: skip
    server = TritonServer(environment, plan)
    stack.callback(server.kill)
    server.start()
    return plan.grpc


def endpoint_at(stack: ExitStack, address: str) -> TritonEndpoint:
    """The endpoint that an operator's address names."""
    (endpoint,) = open_servers(load_settings(endpoints=address))
    stack.callback(endpoint.close)
    return endpoint


def assert_answers(endpoint: TritonEndpoint) -> None:
    (version,) = endpoint.serving(PATIENCE_S)
    assert "yaw" in endpoint.infer(version, orientation_inputs(1), PATIENCE_S, "one")


@pytest.mark.server
def test_a_server_is_asked_over_tls_and_judged_by_the_given_authority(
    triton_environment: ServerEnvironment, tmp_path: Path, certificates: Certificates,
    stack: ExitStack,
) -> None:  # fmt: skip
    target = secure_server(stack, triton_environment, tmp_path, certificates, "grpc-use-ssl")
    secure = f"cloud://{target}?tls=true"
    assert_answers(endpoint_at(stack, f"{secure}&ca={certificates.ca}"))
    for mistrusting in (secure, f"{secure}&ca={certificates.other_ca}"):
        with pytest.raises(ServiceUnavailable, match="CERTIFICATE_VERIFY_FAILED") as caught:
            endpoint_at(stack, mistrusting).serving(PATIENCE_S)
        assert target in caught.value.message
        assert "ca=FILE" in caught.value.remedy
    with pytest.raises(ServiceUnavailable, match=target):
        endpoint_at(stack, f"cloud://{target}").serving(PATIENCE_S)


@pytest.mark.server
def test_a_server_that_wants_to_know_who_asks_is_shown_a_certificate(
    triton_environment: ServerEnvironment, tmp_path: Path, certificates: Certificates,
    stack: ExitStack,
) -> None:  # fmt: skip
    target = secure_server(stack, triton_environment, tmp_path, certificates, "grpc-use-ssl-mutual")
    cert, key = certificates.client
    secure = f"cloud://{target}?tls=true&ca={certificates.ca}"
    assert_answers(endpoint_at(stack, f"{secure}&cert={cert}&key={key}"))
    with pytest.raises(ServiceUnavailable, match=target):
        endpoint_at(stack, secure).serving(PATIENCE_S)


def test_files_that_are_no_certificates_are_named(
    certificates: Certificates, tmp_path: Path
) -> None:
    junk, (cert, key) = tmp_path / "junk.pem", certificates.client
    junk.write_bytes(b"\x00no certificate")
    Tls(certificates.ca, cert, key).check("gpu-1:8001")
    for tls, named, why in (
        (Tls(ca=tmp_path / "gone.pem"), "gone.pem", "No such file"),
        (Tls(ca=junk), "junk.pem", "holds no certificate"),
        (Tls(ca=tmp_path), str(tmp_path), "cannot be read"),
        (Tls(cert=junk, key=key), "junk.pem", "no certificate and the key"),
        (Tls(cert=cert, key=certificates.server[1]), "server.key", "no certificate and the key"),
    ):
        with pytest.raises(InvalidInput, match=why) as caught:
            tls.check("gpu-1:8001")
        assert named in caught.value.message
        assert "gpu-1:8001" in caught.value.message
