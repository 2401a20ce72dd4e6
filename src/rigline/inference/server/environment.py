"""The environment of the wheel's Triton: made once, in a folder of its own.

It cannot share Rigline's: the server's python backend answers with empty outputs under numpy 2.
Only four packages go in, without their dependencies, none of which serving needs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from rigline.errors import InvalidInput, ServiceUnavailable

INSTALL_LIMIT_S: Final = 900.0
Report = Callable[[str], None]
"""Hears what is being done, as a sentence for a person."""


@dataclass(frozen=True)
class ServerEnvironment:
    """A finished environment, under ``folder``."""

    folder: Path

    @property
    def site(self) -> Path:
        """Its installed packages."""
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.folder / "lib" / name / "site-packages"

    @property
    def triton(self) -> Path:
        """The server with its backends."""
        return self.site / "pytriton" / "tritonserver"

    @property
    def stub(self) -> Path:
        """The program that runs python models under this version of Python."""
        name = f"{sys.version_info.major}.{sys.version_info.minor}"
        return self.triton / "python_backend_stubs" / name / "triton_python_backend_stub"

    def variables(self) -> dict[str, str]:
        """The environment variables under which the server finds its libraries and this Python."""
        libraries = (
            str(self.site / "nvidia_pytriton.libs"), str(sysconfig.get_config_var("LIBDIR")),
            *filter(None, [os.environ.get("LD_LIBRARY_PATH")]),
        )  # fmt: skip
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return {
            **kept,
            "PATH": f"{self.folder / 'bin'}:{os.environ.get('PATH', os.defpath)}",
            "LD_LIBRARY_PATH": ":".join(libraries),
        }


def requirements() -> tuple[str, ...]:
    """What is installed. ONNX Runtime and scipy are the versions that run in this process, so that
    both backends give the same answers."""
    return (
        "nvidia-pytriton==0.7.0",
        "numpy>=1.26,<2",
        f"onnxruntime=={version('onnxruntime')}",
        f"scipy=={version('scipy')}",
    )


def make_environment(root: Path, report: Report = lambda said: None) -> ServerEnvironment:
    """The environment for this Python under ``root``; made now if it is not there yet.

    Safe for processes that ask at the same time: one makes it, the others wait. Raises
    ``InvalidInput`` where the wheel cannot run, ``ServiceUnavailable`` when it cannot be fetched.
    """
    _check_platform()
    tag = hashlib.sha256("\n".join(requirements()).encode()).hexdigest()[:12]
    name = f"python{sys.version_info.major}.{sys.version_info.minor}-{tag}"
    environment = ServerEnvironment(root / name)
    finished = environment.folder / ".finished"
    with _held(root / f"{name}.lock"):
        if not finished.exists():
            report("making a Python environment for Triton")
            shutil.rmtree(environment.folder, ignore_errors=True)
            venv.create(environment.folder, with_pip=_uv() is None, symlinks=True)
            report(f"fetching {', '.join(requirements())}: some 120 MB")
            _install(environment)
            if not environment.stub.is_file():
                raise InvalidInput(
                    f"{requirements()[0]} has no stub for Python {platform.python_version()}.",
                    remedy="Run rigline serve under an older Python.",
                )
            finished.touch()
    return environment


def _check_platform() -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise InvalidInput(
            "Triton comes as a wheel for Linux on x86-64 alone, "
            f"not for {platform.system()} on {platform.machine()}.",
            remedy="Start NVIDIA's image with deploy/compose.yaml, or use the embedded backend.",
        )
    folder, name = (sysconfig.get_config_var(n) for n in ("LIBDIR", "INSTSONAME"))
    if not name or not str(name).startswith("libpython") or ".so" not in str(name):
        raise InvalidInput(
            f"Triton needs Python's shared library, which {sys.executable} was built without.",
            remedy="Use a Python that has libpython, such as the one that uv installs.",
            library=f"{folder}/{name}",
        )


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """A lock among processes, free again when its holder dies."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise InvalidInput(
            f"Triton's environment cannot be made in {path.parent}: {error}.",
            remedy="Set RIGLINE_TRITON_HOME to a folder that can be written.",
        ) from error


def _uv() -> str | None:
    """uv, beside this Python or on the path; it is much faster than pip."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def _install(environment: ServerEnvironment) -> None:
    python, uv = str(environment.folder / "bin" / "python"), _uv()
    installer: Sequence[str] = (
        [uv, "pip", "install", "--python", python]
        if uv
        else [python, "-m", "pip", "install", "--disable-pip-version-check"]
    )
    command = [*installer, "--quiet", "--no-deps", "--only-binary=:all:", *requirements()]
    # As pip and browsers do, uv then trusts the certificates of the system.
    env = {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1", **os.environ}
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, env=env
        )
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise ServiceUnavailable(
            f"Triton's packages could not be installed: {str(said).strip()[-2000:]}",
            remedy="Check that this machine reaches a Python package index, and try again.",
        ) from error
