"""Avatars bent at every joint, drawn from the finished files: where a rig is bad, it shows here.

    python -m benchmarks.pose_sweep [--out docs/pictures] [FILE...]

Reads what `rigline setup` wrote, skins it in the test poses, and colours each triangle by the
stretch of its longest edge: grey as it should be, red where it is torn to three times its length.
Prints the share of edges stretched so far, which counts what the eye may miss.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.demo import SAMPLES
from rigline.avatar.mesh import Floats, Ints, unique_edges
from rigline.avatar.posing import TORN, pose, sweep_poses
from rigline.bootstrap import in_memory, open_services, set_up_avatar
from rigline.delivery import write_file
from rigline.evaluation.rigs import rig_of
from rigline.formats.rigged_glb import RiggedModel, read_rigged
from rigline.render.body_picture import THREE_QUARTER, Colours, Picture, body_panel, grid, png_bytes
from rigline.render.palette import CLAY

FEATURED = "caped_hero"
"""Whose preview stands in the README."""

RED = np.array((220, 60, 50))
SIZE = (170, 220)


def sweep(glb: bytes, name: str) -> tuple[list[Picture], float]:
    """A panel for each pose, and the largest share of torn edges over the poses."""
    model = read_rigged(glb)
    rig = rig_of(model)
    faces = _body_faces(model)
    panels, worst = [], 0.0
    for title, turns in sweep_poses(rig.joints).items():
        moved = pose(rig.vertices, rig.weights, rig.joints, turns)
        colours, torn = stretch_colours(rig.vertices, moved, faces)
        worst = max(worst, torn)
        caption = f"{name}: {title}" if title == "rest" else title
        panels.append(body_panel(moved, faces, colours, THREE_QUARTER, SIZE, caption))
    return panels, worst


def stretch_colours(rest: Floats, moved: Floats, faces: Ints) -> tuple[Colours, float]:
    """Colours ``(M, 3)`` by stretch, and the share of edges longer than ``TORN`` times at rest.

    Edges shorter than 0.3 % of the height are left out: slivers stretch without being seen.
    """
    height = float(np.ptp(rest[:, 1]))

    def lengths(points: Floats) -> Floats:
        corners = points[faces]
        return np.linalg.norm(corners - corners[:, [1, 2, 0]], axis=2)

    before, after = lengths(rest), lengths(moved)
    ratio = np.where(before > 0.003 * height, after / np.maximum(before, 1e-12), 1).max(axis=1)
    share = np.clip((ratio - 1.5) / (TORN - 1.5), 0, 1)[:, None]
    edges = unique_edges(faces)
    old, new = (np.linalg.norm(p[edges[:, 0]] - p[edges[:, 1]], axis=1) for p in (rest, moved))
    torn = (new > TORN * old) & (old > 0.003 * height)
    return (CLAY * (1 - share) + RED * share).astype(np.uint8), float(torn.mean())


def _body_faces(model: RiggedModel) -> Ints:
    offset, faces = 0, []
    for mesh in model.meshes:
        if mesh.mesh_name == "Body":
            faces.append(mesh.faces + offset)
            offset += len(mesh.vertices)
    return np.concatenate(faces)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw avatars in the poses that show bad rigs.")
    parser.add_argument("files", nargs="*", type=Path, help="by default benchmarks/samples/*.glb")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    args = parser.parse_args()
    services = in_memory(open_services())
    rows = []
    for path in args.files or sorted(SAMPLES.glob("*.glb")):
        outcome = set_up_avatar(services, path.read_bytes(), path.name)
        panels, torn = sweep(outcome.avatar_glb, path.stem)
        rows.append(panels)
        if path.stem == FEATURED:
            write_file(args.out / "preview.png", outcome.preview_png)
        print(f"{path.stem:20s} {torn:.2%} of edges torn in the worst pose")
    write_file(args.out / "pose_sweep.png", png_bytes(grid(rows), colours=64))


if __name__ == "__main__":
    main()
