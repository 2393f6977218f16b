"""Correlation by lag: against loops over pairs, on the published data, and its interval on drawn chains."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reproductions.mainstream.correlation import events as pedestrian_events
from rheostat.errors import DataError, SettingsError
from rheostat.share.events import CorrelationByLag, at_rates, correlation_by_lag, correlation_of, pooled_correlation
from rheostat.share.plan import App

some_events = st.lists(st.lists(st.booleans(), max_size=12), min_size=1, max_size=5).filter(lambda e: any(map(len, e)))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_what_is_measured_goes_into_a_workload(rng: np.random.Generator) -> None:
    measured = correlation_by_lag(pedestrian_events(), [1, 10, 100, 5000], rng=rng)
    table = measured.for_workload(30.0)
    assert table["lag_seconds"] == [1 / 30, 10 / 30, 100 / 30], "no two frames of an event are 5000 apart"
    assert table["value"] == pytest.approx([0.799, 0.389, 0.0], abs=1e-3), "below 0 at lag 100"
    App.model_validate(
        {
            "name": "pedestrian",
            "event_seconds": 2,
            "event_frequency": 0.3,
            "correlation": table,
            "branch_points": [{"frozen": 0}],
        }
    )


def loop_pairs(events: list[list[bool]], lag: int | None) -> tuple[int, int]:
    """Ordered pairs of frames of one event, `lag` apart or any, with a miss first; and those with two misses."""
    first = both = 0
    for event in events:
        for i in range(len(event)):
            for j in range(i + 1, len(event)):
                if not event[i] and lag in (None, j - i):
                    first += 1
                    both += not event[j]
    return first, both


def drawn_events(rng: np.random.Generator, p: float, c: float, count: int, length: int) -> list[np.ndarray]:
    """Events whose frames keep the state before them with chance c, else are drawn anew."""
    events = []
    for _ in range(count):
        event = rng.random(length) < p
        for t in range(1, length):
            if rng.random() < c:
                event[t] = event[t - 1]
        events.append(event)
    return events


# against loops


@settings(max_examples=80, deadline=None)
@given(events=some_events)
def test_pooled_equals_the_loop_over_pairs(events: list[list[bool]]) -> None:
    pairs, both = loop_pairs(events, None)
    found = pooled_correlation([np.array(e, dtype=bool) for e in events])
    assert found.pairs == pairs
    assert found.hit == pytest.approx(sum(map(sum, events)) / sum(map(len, events)))
    assert found.miss_after_miss == pytest.approx(both / pairs if pairs else np.nan, nan_ok=True)


@settings(max_examples=80, deadline=None)
@given(events=some_events)
def test_each_lag_equals_the_loop_over_pairs(events: list[list[bool]]) -> None:
    lags = [1, 2, 5, 11, 12]
    found = correlation_by_lag(
        [np.array(e, dtype=bool) for e in events], lags, resamples=5, rng=np.random.default_rng(0)
    )
    p = sum(map(sum, events)) / sum(map(len, events))
    for column, lag in enumerate(lags):
        pairs, both = loop_pairs(events, lag)
        again = both / pairs if pairs else np.nan
        assert found.pairs[column] == pairs
        assert found.miss_after_miss[column] == pytest.approx(again, nan_ok=True)
        expected = (again - (1 - p)) / p if p else np.nan
        assert found.correlation[column] == pytest.approx(expected, nan_ok=True)


# on the published data


def test_pooled_is_the_published_figure() -> None:
    found = pooled_correlation(pedestrian_events())
    assert found.miss_after_miss == pytest.approx(0.326033779849, abs=5e-13)
    assert found.hit == pytest.approx(0.92655, abs=5e-6)
    assert found.correlation == pytest.approx(0.273, abs=5e-4)


def test_neighbouring_frames_are_far_more_alike_than_the_published_figure_says(rng: np.random.Generator) -> None:
    found = correlation_by_lag(pedestrian_events(), [1, 2, 5, 10, 30, 100, 257], rng=rng)
    np.testing.assert_allclose(found.miss_after_miss[:6], [0.814, 0.771, 0.629, 0.434, 0.327, 0], atol=5e-4)
    assert found.correlation[0] == pytest.approx(0.799, abs=5e-4)
    assert found.correlation[5] < 0  # not clipped
    assert found.low[0] > pooled_correlation(pedestrian_events()).correlation
    np.testing.assert_array_equal(found.pairs[-1:], 0)
    assert np.isnan([found.miss_after_miss[-1], found.correlation[-1], found.low[-1], found.high[-1]]).all()


# the interval


def test_the_interval_holds_the_true_correlation_as_often_as_it_says(rng: np.random.Generator) -> None:
    """200 data sets of 40 events, 90 %: the share may be off by 4 standard errors, 0.085, and the bootstrap's bias."""
    p, c, lags = 0.7, 0.6, [1, 3]
    inside = np.zeros(2)
    hit_inside = 0
    for _ in range(200):
        events = list(np.array(drawn_events(rng, p, c, 40, 12)))
        found = correlation_by_lag(events, lags, confidence=0.9, resamples=200, rng=rng)
        inside += (found.low <= c ** np.array(lags)) & (c ** np.array(lags) <= found.high)
        hit_inside += found.hit_interval[0] <= p <= found.hit_interval[1]
    assert ((inside / 200 > 0.79) & (inside / 200 < 0.97)).all()
    assert 0.79 < hit_inside / 200 < 0.97


def test_events_are_drawn_and_not_frames(rng: np.random.Generator) -> None:
    """Ten copies of every frame of an event tell nothing new, and must not make the interval narrower."""
    short = [np.array([hit] * 3) for hit in [True] * 12 + [False] * 12]
    long = [np.repeat(event, 10) for event in short]
    widths = [np.subtract(*correlation_by_lag(e, [1], rng=rng).hit_interval[::-1]) for e in (short, long)]
    assert widths[1] == pytest.approx(widths[0], rel=0.15)
    assert widths[0] == pytest.approx(4 * 0.5 / np.sqrt(24), rel=0.2)


def test_the_interval_is_over_the_resamples_that_have_pairs(rng: np.random.Generator) -> None:
    """Only one event of six has a miss with a successor: a third of the resamples do not hold it."""
    events = [np.array(e, dtype=bool) for e in [[1, 0, 0, 0, 1], *[[1, 1, 1, 1]] * 5]]
    found = correlation_by_lag(events, [1], rng=rng)
    assert found.low[0] < found.correlation[0] <= found.high[0]


def test_more_confidence_is_a_wider_interval(rng: np.random.Generator) -> None:
    narrow, wide = (
        correlation_by_lag(pedestrian_events(), [1, 5], confidence=confidence, rng=np.random.default_rng(0))
        for confidence in (0.5, 0.99)
    )
    assert (wide.low < narrow.low).all()
    assert (narrow.high < wide.high).all()
    assert (narrow.low < narrow.correlation).all()
    assert (narrow.correlation < narrow.high).all()


def test_the_same_generator_gives_the_same_interval() -> None:
    one, two, other = (correlation_by_lag(pedestrian_events(), [1], rng=np.random.default_rng(s)) for s in (3, 3, 4))
    assert one.low == two.low
    assert one.low != other.low


# at rates


def by_lag(lags: list[int], correlation: list[float]) -> CorrelationByLag:
    values = np.array(correlation)
    return CorrelationByLag(np.array(lags), np.ones(len(lags), int), values, values, values, values, 0.9, (0, 1), 0.95)


def test_a_rate_has_the_correlation_of_its_stride() -> None:
    measured = by_lag([2, 4, 10, 20], [0.8, 0.6, 0.3, np.nan])
    np.testing.assert_allclose(at_rates(measured, [30, 15, 10, 7.5, 3, 1], 30), [0.8, 0.8, 0.7, 0.6, 0.3, 0.3])
    assert at_rates(measured, 10, 30) == pytest.approx(0.7)


def test_a_correlation_outside_its_range_is_clipped_for_the_model() -> None:
    np.testing.assert_allclose(at_rates(by_lag([1, 2, 3], [1.2, 0.5, -0.1]), [30, 15, 10], 30), [1, 0.5, 0])


def test_correlation_of_is_the_inverse_of_the_conditional_miss() -> None:
    np.testing.assert_allclose(correlation_of([0.2, 0.6, 1.0, 0.0], 0.8), [0, 0.5, 1, -0.25], atol=1e-15)
    assert np.isnan(correlation_of(1.0, 0.0))


# wrong values


def test_a_probability_counts_as_a_hit_from_one_half_on() -> None:
    assert pooled_correlation([[0.5, 0.49, 1.0, 0.0]]).hit == 0.5


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        ([[0.5], [0.5, 1.5]], "event 1 has shape .2,. and values .*probabilities in"),
        ([[0.5, float("nan")]], "event 0 has shape .2,."),
        ([[[True, False]]], "event 0 has shape .1, 2."),
        ([], "0 events hold no frame"),
        ([[], []], "2 events hold no frame"),
    ],
)
def test_events_that_cannot_be_read(events: list, shown: str, rng: np.random.Generator) -> None:
    with pytest.raises(DataError, match=shown):
        pooled_correlation(events)
    with pytest.raises(DataError, match=shown):
        correlation_by_lag(events, [1], rng=rng)


def test_settings_outside_their_range(rng: np.random.Generator) -> None:
    with pytest.raises(SettingsError, match=r"a lag is 0: .*; confidence is 95: .*; resamples is 0: "):
        correlation_by_lag([[True]], [0, 1], confidence=95, resamples=0, rng=rng)
    with pytest.raises(SettingsError, match="a lag is 2: lags must be at least 1 frame, and ascend"):
        correlation_by_lag([[True]], [3, 2], rng=rng)
    with pytest.raises(SettingsError, match="fps is 31"):
        at_rates(by_lag([1], [0.5]), [30, 31], 30)
    with pytest.raises(DataError, match="none of the 1 lags has a correlation"):
        at_rates(by_lag([1], [np.nan]), 10, 30)
