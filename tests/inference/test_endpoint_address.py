from __future__ import annotations

from pathlib import Path

import pytest

from rigline.errors import InvalidInput
from rigline.inference.endpoint_address import EndpointAddress, parse_endpoints, parse_limits
from rigline.inference.routing import EndpointKind
from rigline.inference.tls import Tls
from rigline.settings import load_settings


def test_addresses_are_read_with_their_options() -> None:
    assert parse_endpoints("onprem://gpu-1:8001, cloud://[2001:db8::1]:443?limit=64&tls=true,") == (
        EndpointAddress("gpu-1", 8001),
        EndpointAddress("[2001:db8::1]", 443, EndpointKind.CLOUD, 64, tls=Tls()),
    )
    secure = "cloud://gpu:443?tls=true&ca=/etc/ca%2C1.pem&cert=c.pem&key=/k.pem"
    (address,) = parse_endpoints(secure)
    assert address.tls == Tls(Path("/etc/ca,1.pem"), Path("c.pem"), Path("/k.pem"))
    assert EndpointAddress.parse("onprem://127.0.0.1:1").target == "127.0.0.1:1"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gpu-1:8001", "none of onprem, cloud"),
        ("embedded://gpu-1:8001", "none of onprem, cloud"),
        ("onprem://gpu-1", "host and port"),
        ("onprem://:8001", "host and port"),
        ("onprem://gpu-1:80010", "[Pp]ort"),
        ("onprem://gpu-1:8001/v2", "more than host and port"),
        ("onprem://me:word@gpu-1:8001", "more than host and port"),
        ("onprem://gpu-1:8001?limit=0", "at least 1"),
        ("onprem://gpu-1:8001?limit=many", "many"),
        ("onprem://gpu-1:8001?tls=perhaps", "neither true nor false"),
        ("onprem://gpu-1:8001?ca=ca.pem", "ca has a meaning with tls=true alone"),
        ("onprem://gpu-1:8001?tls=no&ca=ca.pem", "ca has a meaning with tls=true alone"),
        ("onprem://gpu-1:8001?tls=true&ca=", "ca names no file"),
        ("onprem://gpu-1:8001?tls=true&cert=c.pem", "cert and key are needed together"),
        ("onprem://gpu-1:8001?tls=true&key=k.pem", "cert and key are needed together"),
        ("onprem://gpu-1:8001?speed=9", "'speed' is unknown"),
        ("onprem://gpu-1:8001?limit", "bad query"),
        ("onprem://a:1,cloud://a:1", "named twice"),
    ],
)
def test_a_wrong_address_is_named_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as caught:
        parse_endpoints(text)
    assert "KIND://HOST:PORT" in caught.value.remedy


def test_limits_are_read_by_pipeline() -> None:
    assert parse_limits("avatar-auto-setup=8, other=2,") == {"avatar-auto-setup": 8, "other": 2}
    for wrong in ("8", "a=", "a=0", "a=-1", "=3", "a=b"):
        with pytest.raises(InvalidInput, match="no limit of a pipeline"):
            parse_limits(wrong)


@pytest.mark.parametrize(
    ("name", "value"), [("endpoints", "gpu-1:8001"), ("pipeline_limits", "a=0")]
)
def test_settings_refuse_what_cannot_be_read_and_name_the_variable(name: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=f"RIGLINE_{name.upper()}='{value}'"):
        load_settings(**{name: value})
