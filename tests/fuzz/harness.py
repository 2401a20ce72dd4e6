"""``python -m tests.fuzz.harness READER CORPUS [libFuzzer options]``: fuzz one reader.

Coverage-guided by atheris (libFuzzer): inputs that reach new code are kept in the folder ``CORPUS``
and mutated further. A fault is written to the current folder, or to ``-artifact_prefix``, and ends
the run with another exit code than 0. FBX is fuzzed in the process itself, where the native library
is at work.
"""

from __future__ import annotations

import gc
import hashlib
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["rigline.formats", "rigline.validation"]):
    from rigline.formats import throwaway
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz what the command line says."""
    name, corpus, *options = sys.argv[1:]
    target = TARGETS[name]
    folder = Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    if name == "fbx":
        gc.disable()
        throwaway.begin()
    atheris.Setup([sys.argv[0], *options, corpus], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
