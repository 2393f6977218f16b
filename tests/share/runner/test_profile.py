"""The profile of a base: the fit against brute force, the file, and a measurement of the toy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rheostat.errors import SettingsError, StateError
from rheostat.share.base import Base
from rheostat.share.runner.profile import PROFILE_FILE, Profile, measure, per_layer, read_profile, write_profile
from tests.share.runner import toys


@pytest.fixture(scope="module")
def profile(base: Base) -> Profile:
    return measure(base, rounds=3)


def test_a_layer_costs_what_both_sides_of_it_differ_by() -> None:
    # layers of 4, 3, 2, 1 and no cost for a cut
    found = per_layer(np.array([0.0, 4, 7, 9, 10]), np.array([10.0, 6, 3, 1, 0]))
    np.testing.assert_allclose(found, [4, 3, 2, 1])


def test_what_a_cut_costs_is_spread_over_both_sides() -> None:
    found = per_layer(np.array([0.0, 5, 10]), np.array([10.0, 7, 0]))  # 5 + 7 is 2 more than 10
    np.testing.assert_allclose(found, [4.2, 6.2])  # errors of 0.8, 0.8, and twice 0.4


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_no_other_numbers_fit_both_sides_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    joints, cuts = np.sort(rng.uniform(0, 10, 4)), rng.uniform(0, 3, (2, 4))
    before = np.concatenate([[0.0], joints + cuts[0], [10.0]])
    after = np.concatenate([[10.0], 10 - joints + cuts[1], [0.0]])
    found = per_layer(before, after)
    assert (found >= 0).all()
    assume((found > 1e-9).all())  # where a layer would cost less than nothing, its neighbours are pooled with it

    def error(layers: np.ndarray) -> float:
        sums = np.concatenate([[0.0], np.cumsum(layers)])
        return float(((sums - before) ** 2 + (sums[-1] - sums - after) ** 2).sum())

    for _ in range(50):
        other = np.abs(found + rng.normal(0, rng.choice([0.01, 0.3, 3]), 5))
        assert error(found) <= error(other) + 1e-9


def test_a_measured_profile_is_written_and_read_back(base: Base, profile: Profile, tmp_path: Path) -> None:
    assert len(profile.core_ms) == toys.LAYERS
    assert len(profile.before) == len(profile.after) == toys.LAYERS + 1
    assert profile.whole_ms > 0
    assert profile.prepare_ms > 0
    assert sum(profile.core_ms) >= profile.whole_ms * (1 - 1e-9)
    there = replace(base, folder=tmp_path)
    write_profile(there, profile)
    assert read_profile(there) == profile
    assert profile.differs_from_here() is None


def test_progress_is_told_up_to_the_end(base: Base) -> None:
    told: list[float] = []
    measure(base, rounds=3, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_a_profile_of_another_base_is_refused(base: Base, profile: Profile, tmp_path: Path) -> None:
    other = toys.make_base(tmp_path / "other", seed=5)
    with pytest.raises(StateError, match="measure it anew"):
        write_profile(other, profile)
    write_profile(replace(base, folder=tmp_path), profile)
    (tmp_path / PROFILE_FILE).rename(other.folder / PROFILE_FILE)
    with pytest.raises(StateError, match=rf"hash {profile.base[:12]}, and base 'toy' has {other.document.hash[:12]}"):
        read_profile(other)


def test_a_profile_of_another_machine_says_so(profile: Profile) -> None:
    told = profile.model_copy(update={"processor": "Abacus 3", "onnxruntime": "0.1"}).differs_from_here()
    assert told is not None
    assert "processor Abacus 3 and not" in told
    assert "onnxruntime 0.1 and not" in told


def test_without_a_profile_and_with_too_few_rounds(base: Base, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        read_profile(replace(base, folder=tmp_path))
    with pytest.raises(SettingsError, match="rounds is 2: must be at least 3"):
        measure(base, rounds=2)
