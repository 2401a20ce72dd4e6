"""A Triton model repository as files: which models and versions it holds, and their identity."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rigline.errors import InvalidInput

MODEL_FILE = "model.onnx"


@dataclass(frozen=True)
class ModelFile:
    """The newest version of one model. ``sha256`` is that of the ONNX file."""

    name: str
    version: int
    path: Path
    sha256: str


def find_model(repository: Path, name: str) -> ModelFile:
    """The newest version of a model; ``InvalidInput`` when the repository does not hold it."""
    folder = repository / name
    versions = [
        int(p.name) for p in folder.glob("*") if p.name.isdigit() and (p / MODEL_FILE).is_file()
    ]
    if not versions:
        raise InvalidInput(
            f"The model repository {repository} holds no {name!r}.",
            remedy="Set RIGLINE_MODELS to a repository that does, or leave it empty.",
            model=name,
        )
    path = folder / str(max(versions)) / MODEL_FILE
    return ModelFile(name, max(versions), path, hashlib.sha256(path.read_bytes()).hexdigest())


def shipped_repository() -> Path:
    """The repository that came with Rigline: in the wheel, or beside the sources of a checkout."""
    packaged = Path(str(resources.files("rigline"))) / "_models_repo"
    if packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[3] / "models_repo"
