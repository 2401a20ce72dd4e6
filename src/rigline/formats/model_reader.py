"""The one way in: bytes of any accepted format to a ``SourceModel``."""

from __future__ import annotations

import re

from rigline.errors import InvalidInput
from rigline.formats.fbx import SIGNATURES, read_fbx
from rigline.formats.glb import read_glb, read_gltf
from rigline.formats.gltf_container import GLB_MAGIC
from rigline.formats.gltf_json import brief, clean_text
from rigline.formats.limits import Limits
from rigline.formats.obj import read_obj
from rigline.formats.ply import read_ply
from rigline.formats.source_model import SourceModel
from rigline.formats.stl import is_binary_stl, is_text_stl, read_stl

ACCEPTED = "Accepted are GLB, VRM, glTF with embedded buffers, FBX, OBJ, PLY and STL."

_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive (or a format packed as one, such as USDZ or 3MF)"),
    (b"BLENDER", "a Blender file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive (perhaps a compressed Blender file)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"PXR-USDC", "a USD file"),
    (b"#usda", "a USD file in text form"),
    (b"MM", "a 3DS file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"<", "an XML file (perhaps COLLADA or X3D)"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
)

_OBJ_LINE = re.compile(rb"^[ \t]*(?:v|f)[ \t]+[-+.\d]", re.MULTILINE)
_SNIFFED_BYTES = 1 << 20


def read_model(data: bytes, name: str = "", limits: Limits | None = None) -> SourceModel:
    """The model in ``data``, in the asset's own frame and units.

    The content decides the format: GLB (VRM too), glTF JSON with embedded buffers, FBX, OBJ, PLY or
    STL; ``name`` serves messages alone. Nothing that the model names is opened. Deterministic.

    Raises ``InvalidInput``, and nothing else, for whatever cannot be used: other formats, damaged
    or hostile files, models past ``limits``.
    """
    limits = limits or Limits()
    shown = check_size(data, name, limits)
    if data.startswith(GLB_MAGIC):
        return read_glb(data, limits)
    if data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return read_gltf(data, limits)
    if data.startswith(SIGNATURES):
        return read_fbx(data, limits)
    if data.startswith((b"ply\n", b"ply\r")):
        return read_ply(data, limits)
    if is_text_stl(data) or is_binary_stl(data):
        return read_stl(data, limits)
    looks_like = _other_format(data)
    if looks_like is None and b"\0" not in data[:_SNIFFED_BYTES] and _OBJ_LINE.search(data):
        return read_obj(data, limits)
    raise InvalidInput(
        f"{shown} is {looks_like or 'of no format that we know'}.", remedy=ACCEPTED, name=name
    )


def check_size(data: bytes, name: str, limits: Limits) -> str:
    """How to speak of the file; ``InvalidInput`` when it is empty or has too many bytes."""
    shown = f"The file {brief(clean_text(name))}" if name else "The file"
    if len(data) > limits.max_bytes:
        raise InvalidInput(
            f"{shown} has {len(data):,} bytes; at most {limits.max_bytes:,} are read.",
            remedy="Reduce its meshes and textures, or raise the limit in the settings.",
            size=len(data),
            limit=limits.max_bytes,
        )
    if not data.strip():
        raise InvalidInput(f"{shown} is empty.", remedy=ACCEPTED)
    return shown


def _other_format(data: bytes) -> str | None:
    """What the file is, if its first bytes give it away as something we do not read."""
    text = data[:_SNIFFED_BYTES].lstrip()
    for signature, what in _SIGNATURES:
        if data.startswith(signature) or text.startswith(signature):
            return what
    return None
