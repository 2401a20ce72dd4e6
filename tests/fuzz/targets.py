"""What is fuzzed: a reader, the files it begins with, and what may come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rigline.errors import InvalidInput
from rigline.formats import Limits, read_model
from rigline.formats.limits import MIB
from rigline.validation import ValidationRequest, validate_file
from tests.support.avatar_files import avatar_glb
from tests.support.bodies import box_body
from tests.support.fbx_files import BLENDER, MIXAMO, fbx_file
from tests.support.flawed_avatars import good_avatar
from tests.support.glb_files import (
    arranged_glb,
    coloured_glb,
    gltf_text,
    obj_text,
    plain_glb,
    png_image,
    skinned_glb,
    split_glb,
    textured_glb,
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
    "validate": Target(_validate, lambda: [avatar_glb(good_avatar()), skinned_glb(BODY)]),
}
