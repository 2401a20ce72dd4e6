"""Shards and families depend on their seeds alone."""

from pathlib import Path

import numpy as np
import pytest
from rigline_training.anny_bodies import AnnyBodies
from rigline_training.dataset import FIELDS, Characters, draw_sample, generate
from rigline_training.held_out_families import FAMILIES, draw_family
from rigline_training.oddities import ODDITIES, draw_oddity
from rigline_training.shards import Shards

from rigline.avatar.body import N_PARTS


@pytest.fixture(scope="module")
def characters() -> Characters:
    return Characters()


def test_a_shard_does_not_depend_on_those_before_it(tmp_path: Path) -> None:
    generate(tmp_path / "both", seed=5, shards=2, per_shard=3)
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "shard-005-0000.npz").touch()
    generate(tmp_path / "alone", seed=5, shards=2, per_shard=3)
    second = "shard-005-0001.npz"
    one, other = np.load(tmp_path / "both" / second), np.load(tmp_path / "alone" / second)
    for name in FIELDS:
        np.testing.assert_array_equal(one[name], other[name])


def test_samples_are_what_the_models_expect(characters: Characters) -> None:
    for seed in range(6):
        sample = draw_sample(characters.draw, np.random.default_rng([seed]))
        assert np.isfinite(sample.points).all()
        assert np.isfinite(sample.joints).all()
        assert np.ptp(sample.points[:, 1]) == pytest.approx(1, abs=1e-6)
        assert set(np.unique(sample.labels)) <= set(range(N_PARTS))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_the_same_for_the_same_seed(name: str) -> None:
    bodies = AnnyBodies()
    first, again = (draw_family(name, bodies, 3, 2) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.joints, other.joints)


def test_every_kind_of_odd_thing_can_be_sampled(characters: Characters) -> None:
    kinds = {draw_oddity(characters, np.random.default_rng([k])).style for k in range(60)}
    assert kinds == {make.__name__ for make in ODDITIES}
    draw = lambda rng: draw_oddity(characters, rng)  # noqa: E731
    sample = draw_sample(draw, np.random.default_rng([1]), humanoid=False)
    assert np.isfinite(sample.points).all()


def test_new_shards_are_taken_in(tmp_path: Path) -> None:
    generate(tmp_path, seed=1, shards=1, per_shard=2)
    shards = Shards(tmp_path)
    before = shards.fingerprint()
    generate(tmp_path, seed=1, shards=2, per_shard=2)
    shards.refresh()
    assert len(shards) == 4
    assert shards.fingerprint() != before
