"""The models that the settings name: in this process, or on inference servers behind a gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rigline.engine.stage import Models
from rigline.errors import InvalidInput
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.endpoint_address import parse_endpoints, parse_limits
from rigline.inference.exposition import parse_ports, prepare_exposition
from rigline.inference.fleet import Member
from rigline.inference.gateway import EmbeddedEndpoint, Gateway, GatewayLimits
from rigline.inference.metrics import process_metrics
from rigline.inference.repository import shipped_repository
from rigline.inference.routing import EndpointKind
from rigline.settings import Settings

if TYPE_CHECKING:
    from rigline.inference.triton import TritonEndpoint

EMBEDDED_LIMIT: Final = 4
"""Calls that this process runs at once when it is the last resort."""


def open_models(settings: Settings) -> Models:
    """The backend that the settings name. Loads no model and opens no connection yet.

    Raises ``InvalidInput`` for settings that cannot be.
    """
    return open_gateway(settings) if settings.backend == "triton" else open_embedded(settings)


def open_embedded(settings: Settings) -> EmbeddedModels:
    """The models of the settings' repository, in this process."""
    return EmbeddedModels(settings.models or shipped_repository(), settings.threads)


def open_servers(settings: Settings) -> list[TritonEndpoint]:
    """The inference servers that the settings name, one by one. Opens no connection yet.

    Raises ``InvalidInput`` when there are none, or a library is missing.
    """
    try:
        from rigline.inference.triton import TritonEndpoint
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"The triton backend needs the library {error.name}.",
            remedy="Run pip install 'rigline[triton]'.",
        ) from error
    addresses = parse_endpoints(settings.endpoints)
    if not addresses:
        raise InvalidInput(
            "The triton backend has no server to ask.", remedy="Name some in RIGLINE_ENDPOINTS."
        )
    return [TritonEndpoint(address.target, address.tls) for address in addresses]


def open_gateway(settings: Settings) -> Gateway:
    """The inference servers that the settings name, as one. Opens no connection yet.

    The process serves its metrics, if a setting says so, from when the gateway is first asked.
    Raises ``InvalidInput`` when there are none, or a library is missing.
    """
    servers = open_servers(settings)
    members = [
        Member(a.target, a.kind, a.limit, server)
        for a, server in zip(parse_endpoints(settings.endpoints), servers, strict=True)
    ]
    if settings.embedded_fallback:
        here = EmbeddedEndpoint(open_embedded(settings))
        members.append(Member("embedded", EndpointKind.EMBEDDED, EMBEDDED_LIMIT, here))
    limits = GatewayLimits(
        settings.inference_deadline_s,
        settings.inference_attempt_s,
        pipelines=parse_limits(settings.pipeline_limits),
    )
    ports = parse_ports(settings.metrics_port)
    if not ports:
        return Gateway(members, limits, metrics=process_metrics())
    serve = prepare_exposition(settings.metrics_host, ports)
    return Gateway(members, limits, metrics=process_metrics(), on_start=serve)
