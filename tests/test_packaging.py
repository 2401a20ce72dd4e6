"""The wheel stands alone: models and policies inside, nothing of the applications."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_holds_all_that_the_command_needs(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for model in ("avatar_orientation", "avatar_segmentation", "avatar_rigging"):
        assert f"rigline/_models_repo/{model}/1/model.onnx" in names
    assert "rigline/_config/policies/default.toml" in names
    assert "rigline/py.typed" in names
    assert "rigline/db/migrations/env.py" in names
    assert "rigline/db/migrations/versions/v0001_ledger.py" in names
    assert not [n for n in names if n.startswith(("flows/", "tasks/", "tests/", "training/"))]

    unpacked = tmp_path / "unpacked"
    zipfile.ZipFile(wheel).extractall(unpacked)
    sample = ROOT / "benchmarks/samples/boxhead_kid.glb"
    script = (
        f"import sys; sys.path.insert(0, {str(unpacked)!r});"
        "import rigline; assert rigline.__file__.startswith(sys.path[0]), rigline.__file__;"
        "from rigline.cli import app;"
        f"app(['setup', {str(sample)!r}, '--out', {str(tmp_path / 'out')!r}])"
    )
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "RIGLINE_STORE": str(tmp_path / "s")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/boxhead_kid.avatar.glb").exists()


def test_the_command_needs_neither_prefect_nor_a_display(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "import rigline.cli\n"
        "heavy = {'prefect', 'ray', 'streamlit', 'matplotlib', 'torch', 'trimesh', 'pandas',\n"
        "         'boto3', 'sqlmodel', 'sqlalchemy', 'alembic', 'tritonclient', 'grpc',\n"
        "         'prometheus_client'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
