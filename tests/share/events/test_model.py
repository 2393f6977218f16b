"""The event models against loops written from the formulas, at their limits, and with wrong values."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat.share.events import (
    EVENT_MODELS,
    conditional_miss,
    detection,
    f1_of,
    miss_of_all,
    precision_of,
    sample_counts,
)
from tests.share.events.test_votes import by_loop

PLAIN: dict[str, Any] = {
    "hit": 0.8,
    "false_positive": 0.05,
    "event_seconds": 1.5,
    "event_frequency": 0.2,
    "correlation": 0.3,
    "fps": 4.0,
    "stream_fps": 10.0,
}
every_model = pytest.mark.parametrize("model", EVENT_MODELS)
votes_or_none = pytest.mark.parametrize("votes", [None, 1, 2, 3])


def loop_miss(p: float, c: float, d: float, stride: float, votes: int | None, model: str) -> float:
    few = int(d // stride)
    rest = d - few * stride
    total = 0.0
    for n, weight in ((few, 1 - rest / stride), (few + 1, rest / stride)):
        if n < (votes or 1):
            total += weight
        elif votes is not None:
            total += weight * by_loop(n, votes, p, p if model == "published" else p * (1 - c), p + (1 - p) * c)
        else:
            total += weight * ((1 - p) + c * p) ** (n - 1) * (1 - p)
    return total


def loop_detection(
    hit: float,
    false_positive: float,
    event_seconds: float,
    event_frequency: float,
    correlation: float,
    fps: float,
    stream_fps: float,
    votes: int | None,
    model: str,
) -> tuple[float, float, float]:
    d, prior = event_seconds * fps, event_frequency
    gap = d
    if model == "paper":
        d, prior = event_seconds * stream_fps, 0.5
        gap = d * (1 - event_frequency) / event_frequency
    recall = 1 - loop_miss(hit, correlation, d, stream_fps / fps, votes, model)
    alarm = 1 - loop_miss(false_positive, correlation, gap, stream_fps / fps, votes, model)
    reports = prior * recall + (1 - prior) * alarm
    precision = prior * recall / reports if reports else 1.0
    f1 = 2 / (1 / recall + 1 / precision) if min(recall, precision) > 1e-8 else 0.0
    return recall, precision, f1


@every_model
@votes_or_none
def test_arrays_equal_the_loop(model: str, votes: int | None) -> None:
    rng = np.random.default_rng(1)
    hit, false_positive = rng.random((6, 1)), rng.random((6, 1)) * 0.3
    fps, stream_fps = np.array([0.3, 1, 2, 3, 7, 9.5, 15]), 15.0
    correlation = rng.random(7)
    for seconds, frequency in ((0.2, 0.9), (0.5, 0.3), (3.0, 0.05), (2.0, 1.0)):
        given = (hit, false_positive, seconds, frequency, correlation, fps, stream_fps)
        names = ("hit", "false_positive", "event_seconds", "event_frequency", "correlation", "fps", "stream_fps")
        found = detection(**dict(zip(names, given, strict=True)), votes=votes, model=model)
        rows = zip(*(a.ravel() for a in np.broadcast_arrays(*given)), strict=True)
        expected = np.array([loop_detection(*row, votes, model) for row in rows])
        for column, figure in enumerate(found):
            assert figure.shape == (6, 7)
            assert figure.dtype == np.float64
            np.testing.assert_allclose(figure.ravel(), expected[:, column], rtol=1e-9, atol=1e-12)


@every_model
@votes_or_none
@settings(max_examples=40, deadline=None)
@given(
    hit=st.floats(0, 1),
    false_positive=st.floats(0, 1),
    seconds=st.floats(1e-3, 100),
    frequency=st.floats(1e-3, 1),
    correlation=st.floats(0, 1),
    fps=st.floats(0.01, 30),
)
def test_whatever_is_allowed_gives_shares(
    model: str,
    votes: int | None,
    hit: float,
    false_positive: float,
    seconds: float,
    frequency: float,
    correlation: float,
    fps: float,
) -> None:
    found = detection(
        hit=hit,
        false_positive=false_positive,
        event_seconds=seconds,
        event_frequency=frequency,
        correlation=correlation,
        fps=fps,
        stream_fps=30,
        votes=votes,
        model=model,
    )
    assert all(0 <= figure <= 1 for figure in found)


def test_all_three_figures_have_the_common_shape_and_are_the_callers_own() -> None:
    found = detection(**PLAIN | {"event_frequency": np.array([0.1, 0.2])}, model="paper")
    assert [figure.shape for figure in found] == [(2,)] * 3  # recall does not depend on the frequency
    for figure in found:
        figure[0] = 0.5


# what the formulas say


def test_the_number_of_samples_has_the_mean_of_frames_over_stride() -> None:
    fewer, more = sample_counts([0, 3, 10, 25], 10)
    np.testing.assert_array_equal(fewer, [0, 0, 1, 2])
    np.testing.assert_allclose(more, [0, 0.3, 0, 0.5])


def test_misses_are_conditional_on_the_miss_before() -> None:
    np.testing.assert_allclose(conditional_miss(0.8, [0, 0.5, 1]), [0.2, 0.6, 1])
    np.testing.assert_allclose(miss_of_all([0, 1, 2, 3], 0.8, 0.5), [1, 0.2, 0.12, 0.072])
    np.testing.assert_allclose(miss_of_all([0, 1, 2], 1.0, 0.0), [1, 0, 0])


def test_precision_and_f1_are_defined_where_nothing_is_reported() -> None:
    np.testing.assert_allclose(precision_of([0, 0, 0.6], [0, 0.5, 0.2], 0.5), [1, 0, 0.75])
    np.testing.assert_allclose(precision_of(0.6, 0.2, [0.2, 1]), [0.12 / 0.28, 1])
    np.testing.assert_allclose(f1_of([0, 1, 0.5, 5e-9], [1, 0, 1, 1]), [0, 0, 2 / 3, 0])


def test_published_strides_over_sampled_frames() -> None:
    """Pitfall A: 1.5 s at 4 of 10 frames a second hold 6 samples, of which the published code takes 2.4."""
    found = detection(**PLAIN | {"correlation": 0.0, "false_positive": 0.0}, model="published")
    assert found.recall == pytest.approx(1 - (0.6 * 0.2**2 + 0.4 * 0.2**3))
    assert detection(**PLAIN | {"correlation": 0.0}, model="paper").recall == pytest.approx(1 - 0.2**6)


def test_paper_counts_one_alarm_at_most_per_gap() -> None:
    found = detection(**PLAIN | {"correlation": 0.0}, model="paper")
    alarm = 1 - 0.95 ** (6 * 4)  # a gap is four events long
    assert found.precision == pytest.approx(found.recall / (found.recall + alarm))
    assert detection(**PLAIN | {"false_positive": 1.0, "hit": 1.0}, model="paper").precision == pytest.approx(0.5)


def test_votes_after_a_miss_are_independent_in_published_only() -> None:
    """Pitfall D: published, one vote is another model than no votes; in the paper's chain it is the same."""
    single, one_vote = (detection(**PLAIN, votes=votes, model="published") for votes in (None, 1))
    assert one_vote.recall > single.recall + 0.01
    independent = detection(**PLAIN | {"correlation": 0.0}, model="published")
    np.testing.assert_allclose(one_vote, independent, rtol=1e-12)
    rates = {"fps": np.arange(1, 11), "hit": np.linspace(0, 1, 5)[:, None]}
    single, one_vote = (detection(**PLAIN | rates, votes=votes, model="paper") for votes in (None, 1))
    np.testing.assert_allclose(one_vote, single, rtol=1e-12)
