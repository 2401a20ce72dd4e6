"""Where an inference server is, as an operator writes it: ``onprem://gpu-1:8001?limit=16``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from rigline.errors import InvalidInput
from rigline.inference.routing import EndpointKind
from rigline.inference.tls import Tls

DEFAULT_LIMIT: Final = 16
LOCAL: Final = "onprem://127.0.0.1:8001"
"""Where ``rigline serve`` listens."""

_FORM: Final = (
    "Write KIND://HOST:PORT?limit=16&tls=true&ca=FILE&cert=FILE&key=FILE, with the kind onprem or "
    "cloud; all after the port may be left out."
)
_FILES: Final = ("ca", "cert", "key")
_TRUTH: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True)
class EndpointAddress:
    """A server's gRPC address and how it is to be used.

    ``limit`` bounds the requests in flight; without ``tls`` they travel in the clear.
    """

    host: str
    port: int
    kind: EndpointKind = EndpointKind.ONPREM
    limit: int = DEFAULT_LIMIT
    tls: Tls | None = None

    @property
    def target(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @staticmethod
    def parse(text: str) -> EndpointAddress:
        """Read one address. Raises ``InvalidInput`` that names it and says how one is written."""
        try:
            return _parsed(text.strip())
        except ValueError as error:
            raise InvalidInput(
                f"{text!r} is no address of an inference server: {error}.", remedy=_FORM
            ) from error


def parse_endpoints(text: str) -> tuple[EndpointAddress, ...]:
    """Read addresses separated by commas. Raises ``InvalidInput`` for a wrong or a double one."""
    addresses = tuple(EndpointAddress.parse(part) for part in text.split(",") if part.strip())
    targets = [address.target for address in addresses]
    for target in targets:
        if targets.count(target) > 1:
            raise InvalidInput(f"The inference server {target} is named twice.", remedy=_FORM)
    return addresses


def parse_limits(text: str) -> dict[str, int]:
    """Read limits by pipeline, ``avatar-auto-setup=8,other=2``. Raises ``InvalidInput``."""
    limits: dict[str, int] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, count = part.partition("=")
        if not name.strip() or not count.strip().isdigit() or int(count) < 1:
            raise InvalidInput(
                f"{part!r} is no limit of a pipeline.", remedy="Write PIPELINE=COUNT, from 1 on."
            )
        limits[name.strip()] = int(count)
    return limits


def _parsed(text: str) -> EndpointAddress:
    parts = urlsplit(text)
    options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    kinds = (EndpointKind.ONPREM, EndpointKind.CLOUD)
    if parts.scheme not in kinds:
        raise ValueError(f"the kind {parts.scheme!r} is none of {', '.join(kinds)}")
    if not parts.hostname or parts.port is None:
        raise ValueError("host and port are needed")
    if parts.path not in ("", "/") or parts.username or parts.fragment:
        raise ValueError("there is more than host and port")
    unknown = set(options) - {"limit", "tls", *_FILES}
    if unknown:
        raise ValueError(f"the option {sorted(unknown)[0]!r} is unknown")
    limit = int(options.get("limit", DEFAULT_LIMIT))
    if limit < 1:
        raise ValueError("the limit must be at least 1")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return EndpointAddress(host, parts.port, EndpointKind(parts.scheme), limit, _tls(options))


def _tls(options: Mapping[str, str]) -> Tls | None:
    wanted = options.get("tls", "false").lower()
    if wanted not in _TRUTH:
        raise ValueError(f"tls={wanted} is neither true nor false")
    files = {name: Path(options[name]).expanduser() for name in _FILES if name in options}
    for name in files:
        if not options[name]:
            raise ValueError(f"{name} names no file")
        if not _TRUTH[wanted]:
            raise ValueError(f"{name} has a meaning with tls=true alone")
    if ("cert" in files) != ("key" in files):
        raise ValueError("cert and key are needed together")
    return Tls(**files) if _TRUTH[wanted] else None
