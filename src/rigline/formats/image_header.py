"""What an encoded image says of itself in its first bytes; nothing is decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class ImageHeader:
    """Media type and size in pixels."""

    mime_type: str
    width: int
    height: int


def read_header(data: bytes) -> ImageHeader | None:
    """The header of a PNG, JPEG, WebP or KTX2 image; None when it is none or is broken."""
    for read in (_png, _jpeg, _webp, _ktx2):
        try:
            header = read(data)
        except (struct.error, IndexError):
            continue
        if header is not None and header.width > 0 and header.height > 0:
            return header
    return None


def _png(data: bytes) -> ImageHeader | None:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        return None
    return ImageHeader("image/png", *struct.unpack_from(">II", data, 16))


def _jpeg(data: bytes) -> ImageHeader | None:
    """Walks the segments to the first start of frame (ITU T.81, annex B)."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    offset = 2
    while offset < len(data):
        if data[offset] != 0xFF:
            return None
        marker = data[offset + 1]
        if marker == 0xFF:
            offset += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, offset + 5)
            return ImageHeader("image/jpeg", width, height)
        offset += 2 + struct.unpack_from(">H", data, offset + 2)[0]
    return None


def _webp(data: bytes) -> ImageHeader | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return ImageHeader("image/webp", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return ImageHeader("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X":
        low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", data, 24)
        return ImageHeader("image/webp", (high_w << 16 | low_w) + 1, (high_h << 16 | low_h) + 1)
    return None


def _ktx2(data: bytes) -> ImageHeader | None:
    if data[:12] != b"\xabKTX 20\xbb\r\n\x1a\n":
        return None
    return ImageHeader("image/ktx2", *struct.unpack_from("<II", data, 20))
