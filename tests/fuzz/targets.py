"""What is fuzzed: a reader, the files it begins with, and what may come out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from rigline.errors import InvalidInput
from rigline.formats import Limits, read_model
from rigline.formats.limits import MIB
from rigline.formats.rigged_model import RiggedModel
from rigline.formats.rigged_reader import read_rigged_file
from rigline.validation import ValidationRequest, validate_file
from tests.support.avatar_files import avatar_glb
from tests.support.bodies import box_body
from tests.support.compressed_files import draco_glb, meshopt_glb
from tests.support.fbx_files import BLENDER, MIXAMO, fbx_file
from tests.support.flawed_avatars import good_avatar
from tests.support.glb_files import (
    arranged_glb,
    coloured_glb,
    gltf_text,
    obj_text,
    packed,
    plain_glb,
    png_image,
    skinned_glb,
    split_glb,
    textured_glb,
    unpacked,
)
from tests.support.scan_files import ply_file, stl_file

LIMITS: Final = Limits(max_bytes=4 * MIB, max_triangles=20_000, max_vertices=60_000)
"""Small, so that many inputs are tried in a second."""

BODY: Final = box_body(1)


@dataclass(frozen=True)
class Target:
    """One reader. ``run`` returns for whatever is read or refused, and raises for a fault."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


def _read(data: bytes) -> None:
    try:
        read_model(data, "fuzzed", LIMITS)
    except InvalidInput:
        return


def _validate(data: bytes) -> None:
    verdict = validate_file(data, "fuzzed", ValidationRequest(limits=LIMITS))
    verdict.to_json()


def _read_rigged(data: bytes) -> None:
    try:
        model = read_rigged_file(data, "fuzzed", LIMITS)
    except InvalidInput:
        return
    RiggedModel.from_bytes(model.to_bytes())


class Packed:
    """A GLB file whose JSON stays and whose compressed bytes are fuzzed, read both ways."""

    def __init__(self, write: Callable[[], bytes]) -> None:
        self._write = write
        self._document: dict[str, Any] = {}

    def seeds(self) -> list[bytes]:
        """The compressed bytes alone."""
        return [unpacked(self._write())[1]]

    def run(self, data: bytes) -> None:
        """The last of the compressed views has whatever comes after the others."""
        if not self._document:
            self._document, _ = unpacked(self._write())
        document = copy.deepcopy(self._document)
        document["buffers"][0]["byteLength"] = len(data)
        last = document["bufferViews"][-1]
        packed_view = next(iter(last.get("extensions", {}).values()), last)
        packed_view["byteLength"] = max(len(data) - packed_view.get("byteOffset", 0), 1)
        glb = packed(document, data)
        _read(glb)
        _read_rigged(glb)


DRACO: Final = Packed(draco_glb)
MESHOPT: Final = Packed(meshopt_glb)


def _binary_gltf() -> list[bytes]:
    kinds = (plain_glb, textured_glb, coloured_glb, split_glb, skinned_glb, arranged_glb)
    return [write(BODY) for write in kinds]


TARGETS: Final[dict[str, Target]] = {
    "glb": Target(_read, _binary_gltf),
    "gltf": Target(_read, lambda: [gltf_text(data) for data in _binary_gltf()]),
    "obj": Target(_read, lambda: [obj_text(BODY)]),
    "ply": Target(_read, lambda: [ply_file(BODY), ply_file(BODY, "ascii")]),
    "stl": Target(_read, lambda: [stl_file(BODY), stl_file(BODY, text=True)]),
    "fbx": Target(
        _read,
        lambda: [fbx_file(BODY, MIXAMO, texture=png_image(1)), fbx_file(BODY, BLENDER, False)],
    ),
    "draco": Target(DRACO.run, DRACO.seeds),
    "meshopt": Target(MESHOPT.run, MESHOPT.seeds),
    "rigged": Target(
        _read_rigged, lambda: [avatar_glb(good_avatar()), skinned_glb(BODY), obj_text(BODY)]
    ),
    "validate": Target(_validate, lambda: [avatar_glb(good_avatar()), skinned_glb(BODY)]),
}
