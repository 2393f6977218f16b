"""Which frames are looked at: the properties that a plan's cost rests on, and small cases by hand."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat.errors import SettingsError
from rheostat.share.runner import Sampling
from rheostat.share.runner.sampling import FAR

RATES = [0.1, 0.3, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 7, 7.5, 8, 9, 10, 12.5, 15, 24, 29, 30]
SLOTS = 700


@st.composite
def samplings(draw: st.DrawFn) -> tuple[float, list[float]]:
    stream = draw(st.sampled_from([5, 10, 12.5, 15, 25, 29.97, 30, 60]))
    offered = [rate for rate in RATES if rate <= stream]
    return stream, draw(st.lists(st.sampled_from(offered), min_size=1, max_size=10, unique=True))


def looks(stream: float, rates: Iterable[float], slots: int = SLOTS) -> tuple[Sampling, npt.NDArray[np.bool_]]:
    """Which rate, highest first, is due at which slot: [rates, slots]."""
    sampling = Sampling(stream, rates)
    due = [sampling.due(slot) for slot in range(slots)]
    return sampling, np.array([[rate in asked for asked in due] for rate in sampling.rates])


@settings(deadline=None, max_examples=60)
@given(samplings())
def test_a_frame_of_a_lower_rate_is_one_of_every_higher_rate(case: tuple[float, list[float]]) -> None:
    _, due = looks(*case)
    assert (due[1:] <= due[:-1]).all()
    assert due[:, 0].all()


@settings(deadline=None, max_examples=60)
@given(samplings())
def test_no_rate_drifts_and_no_gap_is_long(case: tuple[float, list[float]]) -> None:
    stream = case[0]
    sampling, due = looks(*case)
    for rate, mine in zip(sampling.rates, due, strict=True):
        ideal = np.arange(1, SLOTS + 1) * rate / stream
        assert np.abs(np.cumsum(mine) - ideal).max() < 2  # from the first frame on, however many rates there are
        assert np.diff(np.flatnonzero(mine)).max(initial=0) <= 2 * stream / rate


@pytest.mark.parametrize(("stream", "rates"), [(30, (30, 10, 5, 1)), (10, (5, 1, 0.5)), (12.5, (12.5, 2.5, 0.1))])
def test_rates_that_divide_each_other_are_plain_strides(stream: float, rates: tuple[float, ...]) -> None:
    sampling, due = looks(stream, rates)
    for rate, mine in zip(sampling.rates, due, strict=True):
        assert np.flatnonzero(mine).tolist() == list(range(0, SLOTS, round(stream / rate)))


def test_a_rate_alone_takes_the_frames_nearest_to_its_instants() -> None:
    _, due = looks(10, [4], 20)
    assert np.flatnonzero(due[0]).tolist() == [0, 2, 5, 7, 10, 12, 15, 17]


def test_density_is_exact_in_the_long_run() -> None:
    _, due = looks(29.97, [0.1, 7, 3], 2997 * 10)
    assert due.sum(axis=1) == pytest.approx([7000, 3000, 100], abs=1)


def test_frames_left_out_take_their_looks_with_them_and_shift_no_other() -> None:
    whole, gappy = Sampling(10, [4, 3, 1]), Sampling(10, [4, 3, 1])
    expected = [whole.due(slot) for slot in range(1000)]
    for slot in [0, 1, 5, 5, 6, 40, 41, 997, 998, 999]:
        assert gappy.due(slot) == expected[slot]


def test_after_a_long_gap_it_begins_anew() -> None:
    sampling, fresh = (Sampling(10, [7, 3, 1]) for _ in range(2))
    sampling.due(5)
    assert sampling.due(5 + FAR) == ()  # not yet
    far = 10**6 + 7
    assert [sampling.due(far + slot) for slot in range(100)] == [fresh.due(slot) for slot in range(100)]
    assert sampling.due(10**15) == (7, 3, 1)  # at once
    with pytest.raises(SettingsError, match="frames must not go back"):
        sampling.due(far)


def test_a_later_start_is_the_same_pattern_later() -> None:
    early, late = Sampling(10, [7, 3]), Sampling(10, [7, 3], start=1234)
    assert [early.due(slot) for slot in range(50)] == [late.due(slot + 1234) for slot in range(50)]


def test_what_cannot_be_sampled_is_refused() -> None:
    with pytest.raises(SettingsError, match="a rate is 11 fps: must be above 0 and at most 10"):
        Sampling(10, [11])
    with pytest.raises(SettingsError, match="a rate is 0 fps"):
        Sampling(10, [0])
    sampling = Sampling(10, [1])
    sampling.due(7)
    with pytest.raises(SettingsError, match="slot is 3 after 7"):
        sampling.due(3)
