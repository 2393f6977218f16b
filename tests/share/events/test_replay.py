"""Replay against a plain loop over frames, and the two ways to count alarms."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat.errors import DataError, SettingsError
from rheostat.share.events import replay


def loop_replay(
    said: list[bool], labels: list[bool], stream_fps: int, fps: int, votes: int, alarms: str
) -> tuple[float, float]:
    stretches, begin = [], 0
    for is_event, frames in itertools.groupby(labels):
        end = begin + len(list(frames))
        stretches.append((is_event, begin, end))
        begin = end
    stride = Fraction(stream_fps, fps)
    events = detected = false = 0
    for offset in range(math.ceil(stride)):
        sampled = [math.floor(offset + j * stride) for j in range(len(labels) + 1)]
        for is_event, begin, end in stretches:
            string = "".join("01"[said[frame]] for frame in sampled if begin <= frame < end)
            runs = [run for run in string.split("0") if len(run) >= votes]
            if is_event:
                events += 1
                detected += bool(runs)
            else:
                false += len(runs) if alarms == "run" else bool(runs)
    return detected / events, detected / (detected + false) if detected + false else 1.0


frames = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)
long_runs = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 12)), min_size=1, max_size=10).map(
    lambda runs: [(said, label) for said, label, length in runs for _ in range(length)]
)


@settings(max_examples=150, deadline=None)
@given(
    video=(frames | long_runs).filter(lambda video: any(label for _, label in video)),
    rates=st.integers(1, 12).flatmap(lambda s: st.tuples(st.just(s), st.lists(st.integers(1, s), min_size=1))),
    alarms=st.sampled_from(["gap", "run"]),
)
def test_equals_the_loop(video: list[tuple[bool, bool]], rates: tuple[int, list[int]], alarms: str) -> None:
    said, labels = (list(column) for column in zip(*video, strict=True))
    stream_fps, fps = rates
    votes = [1, 2, 3]
    found = replay(said, labels, stream_fps=stream_fps, fps=fps, votes=votes, alarms=alarms)
    expected = np.array([[loop_replay(said, labels, stream_fps, f, x, alarms) for x in votes] for f in fps])
    np.testing.assert_allclose(found.recall, expected[..., 0])
    np.testing.assert_allclose(found.precision, expected[..., 1])
    total = expected.sum(axis=-1)
    np.testing.assert_allclose(found.f1, 2 * expected.prod(axis=-1) / np.where(total, total, 1))


# one video by hand: an event of 4 frames, a gap of 6 with two runs, an event of 2 that is never seen, a gap of 1
LABELS = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0], dtype=bool)
SAID = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0], dtype=bool)


def test_a_gap_alarms_once_and_its_runs_one_by_one() -> None:
    once, each = (replay(SAID, LABELS, stream_fps=10, fps=10, alarms=alarms) for alarms in ("gap", "run"))
    assert (once.recall, once.precision, once.f1) == (0.5, 0.5, 0.5)
    assert (each.recall, each.precision) == (0.5, pytest.approx(1 / 3))


def test_counts_are_summed_over_all_starts() -> None:
    """At stride 2 the even frames hold 010.. and the odd ones 100..: each start detects one event of two."""
    found = replay(SAID, LABELS, stream_fps=10, fps=5)
    assert found.recall == pytest.approx(2 / 4)
    assert found.precision == pytest.approx(2 / 4)
    slow = replay(SAID, LABELS, stream_fps=10, fps=2.5)
    assert slow.recall == pytest.approx(2 / 8)  # the starts 1 and 2 see it, 0 and 3 do not


def test_a_run_does_not_reach_from_a_gap_into_an_event() -> None:
    labels = np.array([0, 0, 1, 1], dtype=bool)
    said = np.array([0, 1, 1, 0], dtype=bool)
    found = replay(said, labels, stream_fps=1, fps=1, votes=[1, 2])
    np.testing.assert_array_equal(found.recall, [1, 0])
    np.testing.assert_array_equal(found.precision, [0.5, 1])  # nothing fired: precise
    np.testing.assert_array_equal(found.f1, [2 / 3, 0])


def test_the_shape_is_that_of_the_rates_and_then_of_the_votes() -> None:
    video = {"positives": SAID, "labels": LABELS, "stream_fps": 10}
    assert replay(**video, fps=5).recall.shape == ()
    assert replay(**video, fps=[5, 2, 1]).f1.shape == (3,)
    assert replay(**video, fps=[5, 2, 1], votes=2).f1.shape == (3,)
    assert replay(**video, fps=[5, 2, 1], votes=[1, 2]).f1.shape == (3, 2)
    one, alone = replay(**video, fps=[10, 5], votes=[1, 2]), replay(**video, fps=[10, 5])
    np.testing.assert_array_equal(np.array(one)[..., 0], np.array(alone))


@pytest.mark.parametrize(
    ("positives", "labels", "shown"),
    [
        (SAID[:-1], LABELS, "there are 12 positives and 13 labels"),
        (SAID, np.zeros(13, dtype=bool), "none of the 13 labels is true"),
        (np.zeros(0, dtype=bool), np.zeros(0, dtype=bool), "none of the 0 labels is true"),
        (SAID * 0.9, LABELS, "positives is float64 of shape .13,.: .* with >= 0.5"),
        (SAID, LABELS[:, None], "labels is bool of shape .13, 1."),
    ],
)
def test_a_video_that_cannot_be_replayed(positives: np.ndarray, labels: np.ndarray, shown: str) -> None:
    with pytest.raises(DataError, match=shown):
        replay(positives, labels, stream_fps=10, fps=5)


def test_settings_outside_their_range() -> None:
    with pytest.raises(SettingsError, match=r"fps is 11: .*; votes is 0: "):
        replay(SAID, LABELS, stream_fps=10, fps=[1, 11], votes=[2, 0])
    with pytest.raises(SettingsError, match="unknown way to count alarms 'runs': did you mean run"):
        replay(SAID, LABELS, stream_fps=10, fps=5, alarms="runs")


# --- several videos after one another


@settings(max_examples=100, deadline=None)
@given(
    videos=st.lists(frames, min_size=1, max_size=4).filter(lambda v: any(label for one in v for _, label in one)),
    alarms=st.sampled_from(["gap", "run"]),
)
def test_at_full_rate_several_videos_are_as_each_by_itself(videos: list[list[tuple[bool, bool]]], alarms: str) -> None:
    said, labels = (np.array(column) for column in zip(*itertools.chain(*videos), strict=True))
    boundaries = list(itertools.accumulate(len(video) for video in videos))[:-1]
    found = replay(said, labels, stream_fps=7, fps=7, votes=2, alarms=alarms, boundaries=boundaries)
    events = detected = false = 0
    for video in videos:
        for is_event, stretch in itertools.groupby(video, key=lambda frame: frame[1]):
            runs = [run for run in "".join("01"[hit] for hit, _ in stretch).split("0") if len(run) >= 2]
            events += is_event
            detected += is_event and bool(runs)
            false += 0 if is_event else len(runs) if alarms == "run" else bool(runs)
    assert float(found.recall) == pytest.approx(detected / events)
    assert float(found.precision) == pytest.approx(detected / (detected + false) if detected + false else 1.0)


def test_no_event_and_no_gap_reaches_over_the_end_of_a_video() -> None:
    labels = np.array([False, True, True, True, True, False])
    said = np.array([True, False, True, True, False, True])
    glued = replay(said, labels, stream_fps=1, fps=1, votes=2)
    apart = replay(said, labels, stream_fps=1, fps=1, votes=2, boundaries=[3])
    assert (float(glued.recall), float(apart.recall)) == (1.0, 0.0)
    one_gap = replay(said, [False, True, False, False, False, False], stream_fps=1, fps=1)
    two_gaps = replay(said, [False, True, False, False, False, False], stream_fps=1, fps=1, boundaries=[5])
    assert (float(one_gap.precision), float(two_gaps.precision)) == (0.0, 0.0)
    said[1] = True
    assert float(replay(said, [False, True, *[False] * 4], stream_fps=1, fps=1).precision) == pytest.approx(1 / 3)
    assert float(
        replay(said, [False, True, *[False] * 4], stream_fps=1, fps=1, boundaries=[5]).precision
    ) == pytest.approx(1 / 4)


def test_sampling_goes_on_across_a_boundary() -> None:
    labels = np.array([False, True, True, False, True])
    said = labels.copy()
    at_half = replay(said, labels, stream_fps=2, fps=1, boundaries=[3])
    assert float(at_half.recall) == 0.75, "frames 0, 2, 4 see both events, frames 1 and 3 the first one alone"


@pytest.mark.parametrize("boundary", [-1, 3])
def test_a_boundary_must_be_a_frame(boundary: int) -> None:
    with pytest.raises(DataError, match=f"a video begins at frame {boundary}: must be one of the 3 frames"):
        replay(np.ones(3, dtype=bool), np.ones(3, dtype=bool), stream_fps=1, fps=1, boundaries=[boundary])
