"""Baking: what was painted on a known source is found again on the body, at the same places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rigline.avatar.atlas import unwrap
from rigline.avatar.mesh import Floats, Ints, vertex_normals
from rigline.avatar.part_meshes import corner_normals, corner_tangents
from rigline.avatar.partition import PartedBody
from rigline.avatar.reduction import Budgets, reduced
from rigline.render.source_look import (
    SourceLook,
    SurfaceMaterial,
    Texture,
    linear_of,
    material_of,
    srgb,
)
from rigline.render.texture_bake import BakedMaps, BakeTarget, bake
from tests.support.parted import parted, synthetic

SIZE = 256


def look_of(
    colour: Floats | None = None, materials: tuple[SurfaceMaterial, ...] = (SurfaceMaterial(),)
) -> SourceLook:
    """The synthetic body, painted with vertex colours ``(N, 3)``, linear."""
    body = synthetic()
    colors = np.ones((len(body.vertices), 4))
    if colour is not None:
        colors[:, :3] = colour
    material = np.arange(len(body.faces)) % len(materials)
    return SourceLook(
        body.vertices, vertex_normals(body.vertices, body.faces), body.faces,
        np.zeros((len(body.vertices), 2)), colors, material, materials,
    )  # fmt: skip


def painted(body: PartedBody, look: SourceLook) -> tuple[BakedMaps, BakeTarget]:
    uvs, normals = unwrap(body, SIZE), corner_normals(body)
    target = BakeTarget(
        body.vertices, body.faces, uvs, body.source_face, normals,
        corner_tangents(body, normals, uvs),
    )  # fmt: skip
    return bake(target, look, np.arange(len(look.faces)), SIZE, SIZE // 4), target


def at_middles(image: Floats, target: BakeTarget, rows: Ints) -> Floats:
    place = (target.uvs[rows].mean(axis=1) * len(image)).astype(int)
    return image[place[:, 1], place[:, 0]] / 255.0


def large(target: BakeTarget, body: PartedBody) -> Ints:
    """Faces with several texels, on the skin."""
    size = np.ptp(target.uvs, axis=1).min(axis=1) * SIZE
    return np.flatnonzero((size > 4) & ~body.lid)


def test_colours_are_where_they_were() -> None:
    heights = synthetic().vertices[:, 1:2]
    look = look_of(np.concatenate([heights, 1 - heights, heights**2], axis=1).clip(0, 1))
    for body in (parted(), reduced(parted(), Budgets(900, 1100, 800, 800))):
        maps, target = painted(body, look)
        rows = large(target, body)
        y = body.vertices[body.faces[rows]].mean(axis=1)[:, 1]
        expected = srgb(np.stack([y, 1 - y, y**2], axis=1))
        off = np.abs(at_middles(maps.base_color, target, rows) - expected)
        assert np.median(off) < 0.01
        assert np.quantile(off, 0.99) < 0.06


def test_every_texel_is_painted() -> None:
    maps, _ = painted(parted(), look_of(np.full((len(synthetic().vertices), 3), 0.5)))
    np.testing.assert_array_equal(maps.base_color, round(255 * float(srgb(np.array(0.5)))))


def test_metalness_and_roughness_lie_in_blue_and_green() -> None:
    metal = SurfaceMaterial(metallic=0.8, roughness=0.2)
    maps, _ = painted(parted(), look_of(materials=(metal,)))
    np.testing.assert_array_equal(maps.metallic_roughness[..., 1], 51)
    np.testing.assert_array_equal(maps.metallic_roughness[..., 2], 204)


def test_what_keeps_its_shape_has_a_flat_normal_map() -> None:
    body = parted()
    maps, target = painted(body, look_of())
    rows = large(target, body)
    normal = at_middles(maps.normal, target, rows) * 2 - 1
    assert np.quantile(normal[:, 2], 0.1) > 0.85
    assert np.median(np.abs(normal[:, :2])) < 0.1


def test_a_texture_is_followed_through_its_coordinates() -> None:
    body = synthetic()
    ramp = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (4, 1, 4))
    material = SurfaceMaterial(base_texture=Texture(ramp))
    look = replace(look_of(materials=(material,)), uvs=body.vertices[:, [1, 0]] * 0.9 + 0.05)
    maps, target = painted(parted(), look)
    rows = large(target, parted())
    y = parted().vertices[parted().faces[rows]].mean(axis=1)[:, 1]
    off = np.abs(at_middles(maps.base_color, target, rows)[:, 0] - (0.9 * y + 0.05))
    assert np.quantile(off, 0.95) < 0.03


def test_textures_wrap_turn_and_blend() -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 1] = 255
    texture = Texture(pixels)
    assert texture.at(np.array([[0.75, 0.25]]))[0, 0] == 1
    assert texture.at(np.array([[1.75, -0.75]]))[0, 0] == 1
    assert texture.at(np.array([[0.5, 0.25]]))[0, 0] == 0.5
    clamped = Texture(pixels, (33071, 33071))
    assert clamped.at(np.array([[5.0, -3.0]]))[0, 0] == 1
    mirrored = Texture(pixels, (33648, 33648))
    assert mirrored.at(np.array([[1.25, 0.25]]))[0, 0] == 1
    moved = Texture(pixels, uv_from_uv=np.array([[1.0, 0], [0, 1], [0.5, 0]]))
    assert moved.at(np.array([[0.25, 0.25]]))[0, 0] == 1


def test_a_transform_of_the_texture_moves_colour_and_turns_the_normal_map() -> None:
    """``KHR_texture_transform`` is the same as texture coordinates that were moved by hand."""
    rng = np.random.default_rng(5)
    pixels = np.full((8, 8, 4), 255, np.uint8)
    pixels[..., :2] = rng.integers(60, 200, (8, 8, 2))
    use = {
        "index": 0,
        "extensions": {
            "KHR_texture_transform": {"offset": [0.3, 0.1], "rotation": 0.7, "scale": [2.0, 1.5]}
        },
    }
    surface = {"baseColorTexture": use}
    transformed = material_of(
        {"pbrMetallicRoughness": surface, "normalTexture": use}, {0: Texture(pixels)}
    )
    assert transformed.base_texture is not None
    plain = Texture(pixels)
    moved = SurfaceMaterial(base_texture=plain, normal_texture=plain)
    look = replace(look_of(), uvs=rng.random((len(synthetic().vertices), 2)))
    by_hand = replace(look, uvs=transformed.base_texture.moved(look.uvs), materials=(moved,))
    as_told = replace(look, materials=(transformed,))
    face = rng.integers(0, len(look.faces), 200)
    share = rng.dirichlet([1, 1, 1], 200)
    for ask in ("base_color", "shading_normal"):
        found, wanted = (getattr(one, ask)(face, share) for one in (as_told, by_hand))
        np.testing.assert_allclose(found, wanted, atol=1e-9)
    turned = transformed.base_texture.moved(np.array([[1.0, 0.0]])) - [0.3, 0.1]
    np.testing.assert_allclose(turned, [[2 * np.cos(0.7), -2 * np.sin(0.7)]])


def test_srgb_and_back() -> None:
    values = np.linspace(0, 1, 256)
    np.testing.assert_allclose(srgb(linear_of(values)), values, atol=1e-6)
