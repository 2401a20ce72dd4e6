"""What is no standing humanoid is never accepted, and the reason is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rigline.bootstrap import Services, in_memory, open_services, set_up_avatar
from rigline.errors import InvalidInput
from rigline.settings import Settings
from tests.support.bodies import capsule_body
from tests.support.glb_files import plain_glb
from tests.support.odd_things import ODD_THINGS, empty_scene


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    return in_memory(open_services(Settings(store=str(tmp_path_factory.mktemp("store")))))


@pytest.mark.parametrize("make", ODD_THINGS, ids=lambda make: make.__name__)
def test_an_odd_thing_is_not_accepted(services: Services, make: Callable[[], bytes]) -> None:
    report = set_up_avatar(services, make(), "odd.obj").report
    assert report.verdict in ("review", "reject")
    named = ("standing humanoid", "stand side by side", "flat")
    assert any(text in reason for reason in report.reasons for text in named)
    assert "rig" in report.flagged or "orient" in report.flagged


def test_an_empty_scene_is_refused_with_the_reason(services: Services) -> None:
    with pytest.raises(InvalidInput, match="no triangles"):
        set_up_avatar(services, empty_scene(), "empty.glb")


def test_a_humanoid_looks_like_one(services: Services) -> None:
    report = set_up_avatar(services, plain_glb(capsule_body(pose="A")), "hero.glb").report
    assert report.stages["rig"].evidence["humanoid"] > 0.5
    assert report.stages["orient"].evidence["bodies"] == 1
