"""Ways to skin compared: label diffusion (ours), bone heat, geodesic voxels, the closest bone.

    python -m benchmarks.skinning [--truth DIR --input DIR] [--out out/skinning]

Each gets the true skeleton (and ours the true labels), then what the models found. Characters are
two synthetic bodies of fifteen rigid pieces, whose true weights are their pieces, and those that
people rigged: ``ID.npz`` in the folder of truth, as ``rigline eval`` reads it, and ``ID.glb`` in
the folder of inputs. L1 is the mean over the vertices of the distance between the 15-part weight
vectors, 0 to 2; unweighted vertices count 1. Bones that a rig lacks are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.skin_bindings import bone_heat, bones_of, closest_bone, geodesic_voxels
from rigline.avatar.body import N_PARTS
from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.mesh import Floats, Ints
from rigline.avatar.segmentation import Segmentation
from rigline.avatar.skeleton import Skeleton
from rigline.avatar.skinning import skin
from rigline.bootstrap import in_memory, open_services
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage_run import Workbench, run_pipeline
from rigline.evaluation.rigs import read_truth
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from tests.support.bodies import box_body, capsule_body
from tests.support.glb_files import plain_glb

FAILED_FROM = 0.99
"""Share of vertices without weights from which a character counts as failed."""
OTHERS: dict[str, Callable[[Floats, Ints, Floats], Floats]] = {
    "bone heat": bone_heat,
    "geodesic voxels": geodesic_voxels,
    "closest bone": closest_bone,
}


@dataclass(frozen=True, eq=False)
class Character:
    """A mesh with true weights ``(N, 15)``, labels and joints (NaN where the rig has none)."""

    group: str
    name: str
    glb: bytes
    part: Ints
    joints: Floats
    weights: Floats
    merge: Ints


def main() -> None:
    parser = argparse.ArgumentParser(description="Ways to skin compared.")
    parser.add_argument("--truth", type=Path, metavar="DIR", help="folder with ID.npz")
    parser.add_argument("--input", type=Path, metavar="DIR", help="folder with ID.glb")
    parser.add_argument("--out", type=Path, default=Path("out/skinning"))
    parser.add_argument("--only", nargs="*", help="names of characters")
    args = parser.parse_args()
    pairs = _pairs(parser, args.truth, args.input)
    if not pairs:
        print("Without --truth and --input: synthetic characters alone.", file=sys.stderr)
    characters = (one for one in (*synthetic(), *rigged(pairs)) if _chosen(one, args.only))
    rows = [row for one in characters for row in compared(one)]
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "skinning.json").write_text(json.dumps(rows, indent=2))
    print(table(rows))


def _pairs(
    parser: argparse.ArgumentParser, truth: Path | None, inputs: Path | None
) -> dict[Path, Path]:
    """The files of truth, each with the input that it is about; none without the two folders."""
    if truth is None and inputs is None:
        return {}
    if truth is None or inputs is None:
        parser.error("--truth and --input go together")
    pairs = {path: inputs / f"{path.stem}.glb" for path in sorted(truth.glob("*.npz"))}
    if not pairs:
        parser.error(f"there is no ID.npz in {truth}")
    if lost := [str(path) for path in pairs.values() if not path.is_file()]:
        parser.error(f"there is no {', '.join(lost)}")
    return pairs


def _chosen(one: Character, only: list[str] | None) -> bool:
    return not only or one.name in only


def synthetic() -> Iterator[Character]:
    """Bodies of rigid pieces in two poses."""
    for name, body in (("boxes", box_body(6, "A")), ("capsules", capsule_body(20, "T"))):
        yield Character(
            "synthetic", name, plain_glb(body), body.part, body.joints,
            np.eye(N_PARTS)[body.part], np.arange(N_PARTS),
        )  # fmt: skip


def rigged(pairs: Mapping[Path, Path]) -> Iterator[Character]:
    """Characters that people rigged: files of truth, each with its file of input."""
    for path, source in pairs.items():
        truth = read_truth(path)
        joints = np.where(truth.rig.joint_valid[:, None], truth.rig.joints, np.nan)
        yield Character(
            "rigged", path.stem, source.read_bytes(), truth.rig.part, joints, truth.rig.weights,
            truth.merge,
        )  # fmt: skip


def compared(one: Character) -> Iterator[dict[str, object]]:
    """A row for each way and for true and found skeletons."""
    mesh, parts, skeleton = _found(one)
    vertices, faces = mesh.vertices, mesh.faces
    turn = mesh.canonical_from_asset
    true_joints = one.joints @ turn[:3, :3].T + turn[:3, 3]
    missing = np.isnan(true_joints).any(axis=1)
    # Ours wants all joints; where the rig has none, the found one stands in.
    filled = np.where(missing[:, None], skeleton, true_joints)
    given = {
        "true": (one.part, filled, None),
        "found": (parts.part.astype(np.int64), skeleton, parts.probability),
    }
    for source, (part, joints, opinion) in given.items():
        ways: dict[str, Callable[[], Floats]] = {
            "label diffusion": lambda part=part, joints=joints, opinion=opinion: skin(
                vertices, faces, part, joints, opinion=opinion
            ).dense()
        }
        bones = bones_of(joints, vertices)
        bones[missing | (one.merge != np.arange(N_PARTS))] = np.nan
        for name, bind in OTHERS.items():
            ways[name] = lambda bind=bind, bones=bones: bind(vertices, faces, bones)
        for name, way in ways.items():
            started = time.process_time()
            weights = way()
            ms = 1000 * (time.process_time() - started)
            bare = float((weights.sum(axis=1) < 0.5).mean())
            collapse = np.eye(N_PARTS)[one.merge]
            l1 = np.abs((weights - one.weights) @ collapse).sum(axis=1).mean()
            yield {
                "group": one.group, "character": one.name, "skeleton": source, "way": name,
                "l1": float(l1), "unweighted": bare, "ms": ms, "vertices": len(vertices),
            }  # fmt: skip


def table(rows: list[dict[str, object]]) -> str:
    """Means over the characters of each group as Markdown."""
    lines = [
        "| characters | skeleton | way | L1 | vertices unweighted | characters over 1 % unweighted "
        "| failed | CPU ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    keys = dict.fromkeys((row["group"], row["skeleton"], row["way"]) for row in rows)
    for key in keys:
        chosen = [r for r in rows if (r["group"], r["skeleton"], r["way"]) == key]
        l1, bare, ms = (np.array([r[k] for r in chosen]) for k in ("l1", "unweighted", "ms"))
        lines.append(
            f"| {' | '.join(map(str, key))} | {l1.mean():.3f} | {bare.mean():.1%} "
            f"| {(bare > 0.01).sum()} of {len(bare)} | {(bare >= FAILED_FROM).sum()} "
            f"| {ms.mean():.0f} |"
        )
    return "\n".join(lines)


def _found(one: Character) -> tuple[CanonicalMesh, Segmentation, Floats]:
    """The mesh in the canonical frame, and what the models find there: labels and joints."""
    services = in_memory(open_services())
    bench = Workbench(services.store, services.models, one.name)
    whole = AVATAR_AUTO_SETUP
    first = Pipeline(whole.name, whole.version, whole.stages[:4])
    runs = run_pipeline(first, services.store.put(one.glb), bench)
    mesh: CanonicalMesh = bench.value(first, "orient", runs["orient"].sha256)
    parts: Segmentation = bench.value(first, "segment", runs["segment"].sha256)
    skeleton: Skeleton = bench.value(first, "rig", runs["rig"].sha256)
    if len(mesh.vertices) != len(one.part):
        raise SystemExit(f"{one.name}: the vertices of the file are not those of the truth.")
    return mesh, parts, skeleton.joints


if __name__ == "__main__":
    main()
