"""How far the answers of Triton lie from the embedded models', over whole characters.

    python -m benchmarks.serving_parity [FILE...] [--variants 25]

Every model call of each file's orientation, segmentation and rigging goes to both backends, and so
does the cage, which the stages lay in process. Of each file so many variants are asked as well:
turned, stretched by up to a fifth along each axis, and with smooth dents. Without files the demo's
characters are taken. Prints the largest difference of each output; exit code 1 when one is above
1e-4 or the stages' keys differ.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from rigline.avatar.cage import body_samples
from rigline.avatar.canonical import CanonicalMesh, yaw_matrix
from rigline.avatar.mesh import Floats, Ints, TriangleMesh
from rigline.avatar.segmentation import Segmentation
from rigline.avatar.skeleton import Skeleton
from rigline.engine.pipeline import ASSET
from rigline.engine.stage import Arrays, Models
from rigline.engine.stage_run import Workbench, run_stage
from rigline.formats import read_model
from rigline.formats.limits import Limits
from rigline.inference.contracts import CAGING
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.repository import shipped_repository
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from rigline.storage.memory import MemoryStore

SAME: Final = 1e-4
STAGES: Final = ("ingest", "orient", "segment", "rig")
SAMPLES: Final = Path(__file__).resolve().parent / "samples"


@dataclass
class Both:
    """Models that ask two backends and answer as the first; ``worst`` difference by output."""

    first: Models
    second: Models
    worst: dict[str, float] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def infer(self, model: str, inputs: Arrays) -> dict[str, Any]:
        here, there = self.first.infer(model, inputs), self.second.infer(model, inputs)
        self.calls[model] += 1
        for name, array in here.items():
            key = f"{model} {name}"
            apart = float(np.abs(array - there[name]).max())
            self.worst[key] = max(self.worst.get(key, 0.0), apart)
        return here

    def version(self, model: str) -> str:
        first, second = self.first.version(model), self.second.version(model)
        if first != second:
            raise SystemExit(f"{model}: {first} here and {second} there.")
        return first


def compare(assets: Iterable[tuple[str, bytes]], first: Models, second: Models) -> Both:
    """Both backends over the model calls of some files, by name and bytes."""
    both = Both(first, second)
    for name, data in assets:
        both.infer(CAGING, caging_inputs_of(name, data, both))
    return both


def caging_inputs_of(name: str, data: bytes, models: Models) -> Arrays:
    """Set up a file as far as its joints; what the caging model is asked then."""
    orient, segment, rig = set_up(name, data, models)
    return caging_inputs(orient, segment.part, rig.joints)


def set_up(name: str, data: bytes, models: Models) -> tuple[CanonicalMesh, Segmentation, Skeleton]:
    """What the stages make of a file as far as its joints."""
    bench = Workbench(MemoryStore(), models, name)
    shas = {ASSET: bench.store.put(data)}
    for stage in STAGES:
        shas[stage] = run_stage(AVATAR_AUTO_SETUP, stage, shas, bench).sha256
    orient, segment, rig = (_value(bench, n, shas[n]) for n in ("orient", "segment", "rig"))
    return orient, segment, rig


def caging_inputs(body: CanonicalMesh, part: Ints, joints: Floats) -> Arrays:
    """What the caging model is asked about a body: the samples that ``fit_cage`` takes of it."""
    part = part.astype(np.int64)
    samples = body_samples(body.vertices, body.faces, part)
    return {
        "points": samples.points[None],
        "part": part[samples.corner][None],
        "joints": joints[None],
    }


def _value(bench: Workbench, stage: str, sha256: str) -> Any:
    return AVATAR_AUTO_SETUP.stage(stage).codec.decode(bench.store.get(sha256))


def variants(path: Path, count: int) -> Iterator[tuple[str, bytes]]:
    """A file's mesh as OBJ, changed in so many ways; the same on every machine."""
    mesh = read_model(path.read_bytes(), path.name, Limits()).mesh
    for number in range(count):
        rng = np.random.default_rng([number, *path.stem.encode()])
        yield f"{path.stem}-{number}.obj", _obj(_changed(mesh, rng), mesh)


def _changed(mesh: TriangleMesh, rng: np.random.Generator) -> Floats:
    height = float(np.ptp(mesh.vertices[:, 1]))
    points = mesh.vertices / height
    wave, phase = rng.normal(0.0, 6.0, (3, 3)), rng.uniform(0.0, 2 * np.pi, 3)
    dents = 0.008 * np.sin(points @ wave + phase)
    turned = (points + dents) * rng.uniform(0.83, 1.2, 3) @ yaw_matrix(rng.uniform(-0.7, 0.7)).T
    return np.asarray(turned * height)


def _obj(vertices: Floats, mesh: TriangleMesh) -> bytes:
    out = io.StringIO()
    np.savetxt(out, vertices, fmt="v %.6f %.6f %.6f")
    np.savetxt(out, mesh.faces + 1, fmt="f %d %d %d")
    return out.getvalue().encode()


def all_assets(files: Sequence[Path], count: int) -> Iterator[tuple[str, bytes]]:
    """The files themselves, then their variants."""
    for path in files:
        yield path.name, path.read_bytes()
        yield from variants(path, count)


def main() -> None:
    from benchmarks.serving import triton
    from rigline.inference.triton_config import Deployment

    parser = argparse.ArgumentParser(description="Differences between Triton and embedded models.")
    parser.add_argument("files", nargs="*", type=Path, default=sorted(SAMPLES.glob("*.glb")))
    parser.add_argument("--variants", type=int, default=25, help="of each file")
    args = parser.parse_args()
    with triton("triton", Deployment()) as arm:
        embedded = EmbeddedModels(shipped_repository())
        both = compare(all_assets(args.files, args.variants), embedded, arm.models)
    count = len(args.files) * (1 + args.variants)
    print(f"{count} characters, {sum(both.calls.values())} calls")
    for name, apart in both.worst.items():
        print(f"{name:40s} {apart:.2e}")
    sys.exit(int(max(both.worst.values()) > SAME))


if __name__ == "__main__":
    main()
