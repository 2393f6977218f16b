"""Figures of a variant against ones counted by hand, and intervals against tables."""

import math

import numpy as np
import pytest

from rheostat.errors import DataError, SettingsError
from rheostat.share.events import correlation_by_lag
from rheostat.share.package.statistics import Judgement, count, dominated, judge, miss_correlation, wilson


def flags(text: str) -> np.ndarray:
    """x = true."""
    return np.array([sign == "x" for sign in text])


# --- Wilson


@pytest.mark.parametrize(
    ("share", "number", "low", "high"),
    [  # as R's prop.test(..., correct=FALSE) gives them
        (0.5, 10, 0.2365931, 0.7634069),
        (0.9, 20, 0.6989664, 0.9721335),
        (0.0, 10, 0.0, 0.2775328),
        (1.0, 1, 0.2065493, 1.0),
    ],
)
def test_wilson_is_that_of_the_tables(share: float, number: int, low: float, high: float) -> None:
    assert wilson(share, number) == pytest.approx((low, high), abs=2e-7)


def test_an_end_of_wilsons_interval_solves_its_equation() -> None:
    for share in (0.13, 0.5, 0.98):
        for end in wilson(share, 7, 0.9):
            assert abs(share - end) == pytest.approx(1.6448536269514722 * math.sqrt(end * (1 - end) / 7))


@pytest.mark.parametrize(("share", "number", "confidence"), [(1.1, 5, 0.9), (0.5, 0, 0.9), (0.5, 5, 1.0)])
def test_wilson_refuses_what_is_no_share(share: float, number: int, confidence: float) -> None:
    with pytest.raises(SettingsError, match="must be a share in"):
        wilson(share, number, confidence)


# --- hits and false positives


def test_rates_are_of_frames_and_intervals_of_events_and_gaps() -> None:
    labels = flags("..xxxx..xx....xx.")
    said = flags("x.xxx...xx...x...")
    found = judge(said, labels)
    assert found.hit == 5 / 8
    assert found.false_positive == 2 / 9
    assert found.hit_interval == wilson(5 / 8, 3)
    assert found.false_positive_interval == wilson(2 / 9, 4)


def test_a_boundary_divides_an_event_and_a_gap_in_two() -> None:
    labels = flags("xxxx....")
    whole, divided = judge(labels, labels), judge(labels, labels, [2, 6])
    assert (whole.hit_interval, divided.hit_interval) == (wilson(1.0, 1), wilson(1.0, 2))
    assert divided.false_positive_interval == wilson(0.0, 2)
    assert [count(labels), count(labels, [2, 6]), count(~labels, [2, 6])] == [1, 2, 2]


@pytest.mark.parametrize(("labels", "told"), [("....", "no frame of an event"), ("xx", "no frame without an event")])
def test_time_that_shows_one_kind_only_judges_nothing(labels: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        judge(flags(labels), flags(labels))


# --- correlation of misses


def test_correlation_is_that_by_lag_pooled_over_the_variants_within_events() -> None:
    labels = flags("xxxxxx..xxxxxxxx....")
    said = [flags("xx..xxxx..xx....xxxx"), flags("x.x.....xxx..xxx....")]
    found = miss_correlation(said, labels, stream_fps=2.0)
    events = [row[start:end] for row in said for start, end in ((0, 6), (8, 16))]
    expected = correlation_by_lag(events, [1, 2, 3, 4], rng=np.random.default_rng(1)).correlation
    assert found.lag_seconds == (0.5, 1.0, 1.5, 2.0), "up to two seconds"
    assert found.value == pytest.approx(np.clip(expected, 0, 1))


def test_misses_of_two_clips_are_not_of_one_event() -> None:
    labels, said = flags("xxxxxxxx"), [flags("xxx..xxx")]
    assert miss_correlation(said, labels, 1.0).value[0] > miss_correlation(said, labels, 1.0, [4]).value[0]


def test_many_lags_are_thinned_out() -> None:
    labels = np.ones(400, dtype=np.bool_)
    found = miss_correlation([np.random.default_rng(0).random(400) < 0.7], labels, 60.0)
    assert len(found.lag_seconds) <= 24
    assert found.lag_seconds[0] == 1 / 60
    assert found.lag_seconds[-1] == 2.0


@pytest.mark.parametrize(("labels", "said"), [("xxxx.", "xxxx."), ("xxxx.", "....."), ("x.x.x", ".....")])
def test_where_nothing_can_be_measured_misses_hang_together_wholly(labels: str, said: str) -> None:
    assert miss_correlation([flags(said)], flags(labels), 10.0).value == (1.0,)


# --- dominated


def test_a_variant_is_dominated_by_one_that_shares_more_and_is_no_worse() -> None:
    def rates(hit: float, false_positive: float) -> Judgement:
        return Judgement(hit, (0, 1), false_positive, (0, 1))

    judgements = [rates(0.9, 0.1), rates(0.95, 0.2), rates(0.8, 0.1), rates(0.8, 0.1), rates(0.7, 0.3)]
    assert dominated([0, 3, 5, 7, 9], judgements) == [False, False, True, False, False]
