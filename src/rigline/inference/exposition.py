"""The metrics of this process over HTTP, where Prometheus fetches them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

from rigline.errors import InvalidInput

LOG: Final = logging.getLogger(__name__)
_ONCE: Final = threading.Lock()
_served: dict[tuple[str, range], str] = {}


def parse_ports(text: str) -> range:
    """Read ports, ``9400`` or ``9400-9415``; none for an empty text. Raises ``InvalidInput``."""
    if not text.strip():
        return range(0)
    first, dash, last = (part.strip() for part in text.partition("-"))
    if not dash:
        last = first
    if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        raise _no_ports(text)
    if not 1 <= int(first) <= int(last) <= 65535:
        raise _no_ports(text)
    return range(int(first), int(last) + 1)


def prepare_exposition(host: str, ports: range) -> Callable[[], str]:
    """What makes this process serve its metrics, once, on the first of the ports that is free.

    It gives the address, or an empty text and a warning in the log when none is free: for its
    metrics alone no worker stops. Raises ``InvalidInput`` when the library is missing.
    """
    try:
        import prometheus_client
    except ModuleNotFoundError as error:
        raise InvalidInput(
            "RIGLINE_METRICS_PORT needs the library prometheus-client.",
            remedy="Run pip install 'rigline[metrics]'.",
        ) from error
    return partial(_serve_once, host, ports, prometheus_client.start_http_server)


def _serve_once(host: str, ports: range, listen: Callable[[int, str], object]) -> str:
    with _ONCE:
        if (host, ports) not in _served:
            _served[host, ports] = _serve(host, ports, listen)
        return _served[host, ports]


def _serve(host: str, ports: range, listen: Callable[[int, str], object]) -> str:
    why = ""
    for port in ports:
        try:
            listen(port, host)
        except OSError as error:
            why = str(error)
            continue
        address = f"http://{host}:{port}/metrics"
        LOG.info("metrics of this process are at %s", address)
        return address
    tried = f"{ports[0]}-{ports[-1]}" if len(ports) > 1 else f"{ports[0]}"
    LOG.warning(
        "nobody can fetch the metrics of this process: RIGLINE_METRICS_PORT=%s on %s: %s",
        tried, host, why,
    )  # fmt: skip
    return ""


def _no_ports(text: str) -> InvalidInput:
    return InvalidInput(
        f"{text!r} is neither a port nor a range of ports.",
        remedy="Write 9400 or 9400-9415; ports go from 1 to 65535.",
    )
