"""The batch as a flow: one task, and an artifact that tells how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import Artifact
from prefect.settings import PREFECT_API_URL, temporary_settings

from rigline.bootstrap import open_ledger
from rigline.errors import InvalidInput
from rigline.settings import load_settings
from tests.support.trivial_jobs import PLACE, write_policy

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("ray_cluster")]


@pytest.fixture(autouse=True)
def _installation(
    server_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    for name, value in (
        ("STORE", tmp_path / "store"), ("DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}"),
        ("POLICY", write_policy(tmp_path)), ("PIPELINES", PLACE),
    ):  # fmt: skip
        monkeypatch.setenv(f"RIGLINE_{name}", str(value))
    ledger = open_ledger(load_settings())
    ledger.upgrade()
    ledger.close()
    with temporary_settings({PREFECT_API_URL: server_env["PREFECT_API_URL"]}):
        yield


def test_a_batch_is_one_task_with_a_live_artifact(tmp_path: Path) -> None:
    from flows.avatar_batch_flow import avatar_batch

    (tmp_path / "in").mkdir()
    for number in range(12):
        (tmp_path / "in" / f"{number}.txt").write_text(f"{number} two three four")
    (tmp_path / "in" / "poor.txt").write_text("bad")
    asked = {"source": str(tmp_path / "in"), "dest": str(tmp_path / "out"), "pipeline": "words"}
    done = avatar_batch(**asked, patterns=["*.txt"])
    assert (done["published"], done["dead"]) == (12, 1)
    assert len(list((tmp_path / "out").iterdir())) == 12

    progress, end = _artifact(f"batch-{done['batch']}"), _artifact(f"batch-{done['batch']}-end")
    assert progress.type == "progress"
    assert progress.data == 100
    assert "| 12 | 0 | 0 | 1 | 0 | 13 |" in str(progress.description)
    assert "poor.txt | invalid | read" in str(end.data)

    again = avatar_batch(resume=done["batch"])
    assert again == done


def test_a_batch_of_nothing_is_refused() -> None:
    from flows.avatar_batch_flow import avatar_batch

    with pytest.raises(InvalidInput, match="source"):
        avatar_batch(dest="out")


def _artifact(key: str) -> Artifact:
    with get_client(sync_client=True) as client:
        found = [a for a in client.read_artifacts() if a.key == key]
    return max(found, key=lambda a: str(a.updated))
