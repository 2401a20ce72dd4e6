"""What the fuzzer once found stays mended: files in ``cases/READER/``, each a word on its fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CASES = sorted((Path(__file__).parent / "cases").glob("*/*"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_found_case_is_read_or_refused(case: Path) -> None:
    TARGETS[case.parent.name].run(case.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_the_fuzzer_begins_with_files_that_are_read(name: str) -> None:
    for library in {"draco": ["DracoPy"], "meshopt": ["meshoptimizer"]}.get(name, []):
        pytest.importorskip(library, reason="the extra compression is not installed")
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)
