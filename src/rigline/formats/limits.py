"""How much an untrusted file may ask for before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Ceilings that every reader checks before it allocates; two of them are settings.

    They bound what the file claims (counts, depth) and what reading it costs (bytes, JSON values),
    so that a hostile file ends in ``InvalidInput`` and not in exhausted memory.
    """

    max_bytes: int = 64 * MIB
    """The whole file; also the sum of all images taken out of it."""

    max_triangles: int = 300_000
    """Triangles after instances, strips, fans and polygons are expanded."""

    max_vertices: int = 1_000_000
    """Vertices of the merged mesh, and of any single array in the file."""

    max_nodes: int = 10_000
    """Nodes of a glTF scene graph."""

    max_primitives: int = 10_000
    """Primitives drawn, each instance counted."""

    max_depth: int = 64
    """Depth of the node tree, and of nested JSON that is kept."""

    max_json_bytes: int = 16 * MIB
    """glTF JSON without its embedded ``data:`` strings."""

    max_images: int = 256
    """Images that the drawn materials use."""

    max_image_bytes: int = 32 * MIB
    """A single encoded image."""

    max_image_pixels: int = 8192 * 8192
    """Width times height of a single image, read from its header."""


OWN_FILES = Limits(
    max_bytes=2**40,
    max_triangles=2**40,
    max_vertices=2**40,
    max_json_bytes=2**40,
    max_images=2**40,
    max_image_bytes=2**40,
    max_image_pixels=2**40,
)
"""For files that Rigline wrote itself, which may be larger than what it was given."""
