"""The files by which a connection to an inference server is trusted, read and found good or not.

gRPC takes any bytes, and says of wrong ones only that the server is away; so they are looked at
first.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from rigline.errors import InvalidInput


@dataclass(frozen=True)
class Tls:
    """How a server is trusted, and who asks it: PEM files.

    ``ca`` has the certificates by which the server's own is judged, by default those that gRPC
    brings; ``cert`` and ``key`` show a server that wants to know who asks.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def check(self, target: str) -> None:
        """Raise ``InvalidInput`` for a file that cannot be read or used, which names it and the
        server ``target`` that it is for."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for file in filter(None, (self.ca, self.cert, self.key)):
            try:
                file.read_bytes()
            except OSError as error:
                raise InvalidInput(
                    f"{file}, for the inference server {target}, cannot be read: {error.strerror}.",
                    remedy="RIGLINE_ENDPOINTS names it as ca, cert or key of the server.",
                ) from error
        if self.ca is not None:
            try:
                context.load_verify_locations(self.ca)
            except ssl.SSLError as error:
                raise InvalidInput(
                    f"{self.ca}, the ca of the inference server {target}, holds no certificate.",
                    remedy="It has to be a PEM file: -----BEGIN CERTIFICATE-----.",
                ) from error
        if self.cert is not None and self.key is not None:
            try:
                # A password would be asked for on the terminal; gRPC could not use such a key.
                context.load_cert_chain(self.cert, self.key, password="")
            except ssl.SSLError as error:
                raise InvalidInput(
                    f"{self.cert} and {self.key}, for the inference server {target}, are no "
                    "certificate and the key that belongs to it.",
                    remedy="Both have to be PEM files of one pair, the key without a password.",
                ) from error
