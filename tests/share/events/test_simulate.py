"""Drawn timelines against the model `paper`, and against the plain counting of replay."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from rheostat.errors import SettingsError
from rheostat.share.events import Detection, Simulated, detection, replay, simulate, timeline

# 0.8 s of 10 fps are 8 frames; at 0.2 a gap has 32, so that no length has to be rounded
PLAIN: dict[str, Any] = {
    "hit": 0.6,
    "false_positive": 0.03,
    "event_seconds": 0.8,
    "event_frequency": 0.2,
    "correlation": 0.5,
    "fps": 5,
    "stream_fps": 10,
}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def assert_agrees(found: Simulated, expected: Detection, errors: float = 4) -> None:
    rows = zip(Detection._fields, found.detection, expected, found.standard_error, strict=True)
    for name, figure, foretold, error in rows:
        assert abs(figure - foretold) < errors * error, (name, figure, foretold, error)


@pytest.mark.parametrize("votes", [None, 1, 2, 3])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 1.0])
def test_agrees_with_paper(votes: int | None, correlation: float, rng: np.random.Generator) -> None:
    """Within 4 standard errors over hit rates, frequencies and strides, whole and not."""
    for hit, frequency, fps in itertools.product((0.3, 0.9), (0.1, 0.5), (1, 3, 10)):
        case = PLAIN | {"hit": hit, "event_frequency": frequency, "fps": fps, "correlation": correlation}
        found = simulate(**case, votes=votes, events=4000, rng=rng)
        assert_agrees(found, detection(**case, votes=votes, model="paper"))


@pytest.mark.parametrize("votes", [None, 2])
def test_published_is_another_model(votes: int | None, rng: np.random.Generator) -> None:
    """The grid above would notice: double striding is off by far more than the errors."""
    found = simulate(**PLAIN, votes=votes, events=4000, rng=rng)
    with pytest.raises(AssertionError):
        assert_agrees(found, detection(**PLAIN, votes=votes, model="published"), errors=10)


@pytest.mark.parametrize("votes", [None, 2])
@pytest.mark.parametrize("fps", [10, 5, 2])
def test_correlated_frames_are_samples_with_the_power_of_the_stride(
    fps: int, votes: int | None, rng: np.random.Generator
) -> None:
    case = PLAIN | {"fps": fps, "correlation": 0.8}
    found = simulate(**case, votes=votes, correlation_at="frame", events=20_000, rng=rng)
    assert_agrees(found, detection(**case | {"correlation": 0.8 ** (10 / fps)}, votes=votes, model="paper"))


def test_a_length_that_is_not_whole_is_right_in_the_mean(rng: np.random.Generator) -> None:
    """At stride 1 every frame is a sample, and the model's two numbers of samples are the two lengths."""
    case = PLAIN | {"event_seconds": 0.13, "event_frequency": 0.37, "fps": 10}
    assert_agrees(simulate(**case, events=20_000, rng=rng), detection(**case, model="paper"))


def test_without_gaps_there_is_no_alarm(rng: np.random.Generator) -> None:
    found = simulate(**PLAIN | {"event_frequency": 1.0, "false_positive": 1.0}, rng=rng).detection
    assert found.precision == 1
    assert found.recall > 0.5


def test_sure_hits_and_sure_misses(rng: np.random.Generator) -> None:
    always = simulate(**PLAIN | {"hit": 1.0, "false_positive": 1.0}, events=100, rng=rng).detection
    assert always == Detection(np.float64(1), np.float64(0.5), np.float64(2 / 3))
    never = simulate(**PLAIN | {"hit": 0.0, "false_positive": 0.0}, events=100, rng=rng).detection
    assert never == Detection(np.float64(0), np.float64(1), np.float64(0))


def test_the_standard_errors_are_those_of_repeated_simulations(rng: np.random.Generator) -> None:
    """300 repetitions know a standard deviation to about 4 %; 20 % are allowed."""
    repeated = [simulate(**PLAIN, events=500, rng=rng) for _ in range(300)]
    spread = np.std([r.detection for r in repeated], axis=0)
    stated = np.mean([r.standard_error for r in repeated], axis=0)
    np.testing.assert_allclose(stated, spread, rtol=0.2)


def test_the_generator_is_the_only_chance() -> None:
    one, two, other = (simulate(**PLAIN, events=500, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == two
    assert one != other


@pytest.mark.parametrize("where", ["sample", "frame"])
def test_a_stride_longer_than_all_lengths_samples_few_of_them(where: str, rng: np.random.Generator) -> None:
    case = PLAIN | {"fps": 0.1, "hit": 1.0, "event_frequency": 0.5}
    found = simulate(**case, correlation_at=where, events=20_000, rng=rng)
    assert found.detection.recall == pytest.approx(0.08, abs=4 * math.sqrt(0.08 * 0.92 / 20_000))


def test_a_timeline_replayed_gives_what_is_simulated(rng: np.random.Generator) -> None:
    of_video = {name: value for name, value in PLAIN.items() if name != "fps"}
    positives, labels = timeline(**of_video, events=20_000, rng=rng)
    assert labels.mean() == pytest.approx(0.2, abs=1e-9), "events fill a fifth of the time"
    assert positives[labels].mean() == pytest.approx(0.6, abs=0.02)
    assert positives[~labels].mean() == pytest.approx(0.03, abs=0.005)
    for fps in (2, 10):
        found = simulate(**of_video, fps=fps, correlation_at="frame", events=20_000, rng=rng)
        assert_agrees(found, replay(positives, labels, stream_fps=10, fps=fps), errors=6)  # the replay errs as well


def test_settings_outside_their_range(rng: np.random.Generator) -> None:
    with pytest.raises(SettingsError, match=r"hit is 1.5: .*; event_frequency is 0: .*; events is 0: .*; votes is 0: "):
        simulate(**PLAIN | {"hit": 1.5, "event_frequency": 0}, votes=0, events=0, rng=rng)
    with pytest.raises(SettingsError, match="unknown step of the correlation 'frames': did you mean frame"):
        simulate(**PLAIN, correlation_at="frames", rng=rng)
