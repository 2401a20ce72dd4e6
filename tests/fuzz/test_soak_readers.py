"""Every reader under a coverage-guided fuzzer, ten minutes each: ``make soak``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

SECONDS = int(os.environ.get("RIGLINE_FUZZ_SECONDS", "600"))
ROOT = Path(__file__).parents[2]


@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_reader(name: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="make fuzz installs the fuzzer")
    options = [
        f"-max_total_time={SECONDS}", "-rss_limit_mb=3072", "-timeout=20", "-max_len=65536",
        "-print_final_stats=1", f"-artifact_prefix={tmp_path}/",
    ]  # fmt: skip
    command = [sys.executable, "-m", "tests.fuzz.harness", name, str(tmp_path / "corpus"), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = [path for path in tmp_path.iterdir() if path.is_file()]
    print(name, *[line for line in done.stderr.splitlines() if line.startswith("stat::")], sep="\n")
    assert not found, f"{found}: keep it in tests/fuzz/cases.\n{done.stderr[-3000:]}"
    assert done.returncode == 0, done.stderr[-3000:]
