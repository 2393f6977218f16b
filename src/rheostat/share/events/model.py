"""Recall, precision and F1 of detecting events, foretold from per-frame rates.

An event is a run of frames. It is detected when one of its sampled frames is a hit, or with X votes when X samples in
a row are. Source of the formulas: Jiang et al., Mainstream, USENIX ATC 2018, section 5.1, equations 1 to 4.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rheostat.errors import unknown_name
from rheostat.share.events.checks import Numbers, bad_probabilities, bad_rates, bad_votes, outside, refuse
from rheostat.share.events.votes import no_run

EVENT_MODELS = ("published", "paper")

MOST_FRAMES = 2.0**53  # beyond it a float does not count frames; a gap of rare events may be longer
NEARLY_ZERO = 1e-8  # below it the published code takes a recall or a precision for 0


class Detection(NamedTuple):
    """How well events are detected: arrays of one shape, each in [0, 1]; higher = better."""

    recall: Numbers
    precision: Numbers
    f1: Numbers


class SampleCounts(NamedTuple):
    """How many samples fall into a stretch of frames: `fewer`, or one more than that with chance `more`."""

    fewer: npt.NDArray[np.int64]
    more: Numbers


def sample_counts(frames: npt.ArrayLike, stride: npt.ArrayLike) -> SampleCounts:
    """Eq. 1: N is floor(x) or ceil(x) for x = frames / stride, so that its mean is x.

    Misprinted in the paper. This form has no step at whole x, so a rounding error there does no harm.

    Args:
        frames: d, length of the stretch in stream frames, >= 0; need not be whole.
        stride: Stream frames from one sample to the next, > 0.
    """
    stride = np.asarray(stride, dtype=np.float64)
    fewer, rest = np.divmod(np.minimum(np.asarray(frames, dtype=np.float64), MOST_FRAMES), stride)
    return SampleCounts(np.asarray(fewer, dtype=np.int64), np.asarray(rest / stride, dtype=np.float64))


def conditional_miss(p: npt.ArrayLike, correlation: npt.ArrayLike) -> Numbers:
    """q, the chance of a miss right after a miss: 1 - p if samples are independent (0), 1 if they are copies (1)."""
    p = np.asarray(p, dtype=np.float64)
    return (1 - p) + np.asarray(correlation) * p


def miss_of_all(n: npt.ArrayLike, p: npt.ArrayLike, correlation: npt.ArrayLike) -> Numbers:
    """Eq. 2 and 3: chance q^(n - 1) (1 - p) that all `n` samples miss; without a sample a miss is sure."""
    n, p = np.asarray(n), np.asarray(p, dtype=np.float64)
    return np.where(n == 0, 1.0, conditional_miss(p, correlation) ** np.maximum(n - 1, 0) * (1 - p))


def precision_of(recall: npt.ArrayLike, alarm: npt.ArrayLike, prior: npt.ArrayLike) -> Numbers:
    """Share of real events among what is reported; 1 if nothing is.

    Args:
        recall: Chance that an event is reported.
        alarm: Chance that a stretch without an event is reported.
        prior: Share of events among all stretches.
    """
    share = np.asarray(prior, dtype=np.float64)
    true = share * np.asarray(recall)
    total = np.asarray(true + (1 - share) * np.asarray(alarm))
    return np.divide(true, total, out=np.ones(total.shape), where=total > 0)


def f1_of(recall: npt.ArrayLike, precision: npt.ArrayLike) -> Numbers:
    """Harmonic mean of the two; 0 if either is 0 to within 1e-8."""
    r, p = np.broadcast_arrays(np.asarray(recall, dtype=np.float64), np.asarray(precision, dtype=np.float64))
    known = (r > NEARLY_ZERO) & (p > NEARLY_ZERO)
    return np.where(known, 2 / (1 / np.where(known, r, 1.0) + 1 / np.where(known, p, 1.0)), 0.0)


def detection(
    *,
    hit: npt.ArrayLike,
    false_positive: npt.ArrayLike,
    event_seconds: npt.ArrayLike,
    event_frequency: npt.ArrayLike,
    correlation: npt.ArrayLike,
    fps: npt.ArrayLike,
    stream_fps: npt.ArrayLike,
    votes: int | None = None,
    model: str = "published",
) -> Detection:
    """Foretell how well events are detected at a rate.

    `published` is what the published code computes and all published figures rest on. It takes the length of an event
    in *sampled* frames and strides over them again, so that N is about seconds * fps * fps / stream_fps. False alarms
    are those of stretches as long as an event, and `event_frequency` is the prior. Its votes know another correlation
    than its single samples: a sample after a miss is independent of it, so that one vote is not the same as None.

    `paper` is what the paper says: N is about seconds * fps. False alarms are counted over the gaps between events,
    which last event_seconds * (1 - f) / f where events fill the share f of the time; one gap raises at most one alarm.
    There is one gap per event, so the prior is 1/2 and precision = R / (R + M): f already sets how long a gap is, and
    as the prior too it would be counted twice. Samples with votes are the same chain as those without, a stationary
    one of two states whose autocorrelation is `correlation`, so that one vote is the same as None.

    Args:
        hit: p, chance that a sampled frame of an event is positive.
        false_positive: g, chance that a sampled frame outside events is positive.
        event_seconds: Mean length of an event, > 0.
        event_frequency: Share of the time that events fill, in (0, 1].
        correlation: c of neighbouring *samples*, in [0, 1]; 0 = independent, 1 = copies. It depends on the stride
            (`at_rates`), so it may differ from rate to rate.
        fps: Sampled frames per second, in (0, stream_fps].
        stream_fps: Frames per second of the camera, > 0.
        votes: How many positive samples in a row make a detection, >= 1; None = any one.
        model: One of `EVENT_MODELS`.

    Returns:
        Arrays of the shape to which all numbers broadcast: with `hit[:, None]` and `fps[None, :]` that is
        [branch points, rates].

    Raises:
        SettingsError: A number is outside its range, or the model is not known.
    """
    if model not in EVENT_MODELS:
        raise unknown_name("event model", model, EVENT_MODELS, note="measured instead of foretold: replay()")
    given = (hit, false_positive, event_seconds, event_frequency, correlation, fps, stream_fps)
    p, g, seconds, frequency, c, rate, stream = (np.asarray(a, dtype=np.float64) for a in given)
    refuse(
        bad_probabilities(hit=p, false_positive=g, correlation=c)
        + outside("event_seconds", seconds, (seconds > 0) & np.isfinite(seconds), "it must be above 0 seconds")
        + outside("event_frequency", frequency, (frequency > 0) & (frequency <= 1), _FREQUENCY)
        + bad_rates(rate, stream)
        + bad_votes(votes)
    )
    stride = stream / rate
    if model == "published":
        event = gap = sample_counts(seconds * rate, stride)
        prior = frequency
    else:
        event = sample_counts(seconds * stream, stride)
        gap = sample_counts(seconds * (1 - frequency) / frequency * stream, stride)
        prior = np.float64(0.5)
    recall = 1 - _miss(p, c, event, votes, model)
    alarm = 1 - _miss(g, c, gap, votes, model)
    precision = precision_of(recall, alarm, prior)
    if model == "published":  # the code stores 1 - P: the last bit decides between rates of equal F1, hence schedules
        precision = 1 - (1 - precision)
    shape = np.broadcast_shapes(*(a.shape for a in (p, g, seconds, frequency, c, rate, stream)))
    return Detection(*(np.broadcast_to(a, shape).copy() for a in (recall, precision, f1_of(recall, precision))))


def _miss(p: Numbers, correlation: Numbers, counts: SampleCounts, votes: int | None, model: str) -> Numbers:
    """Chance that a stretch of frames is not reported: the mean over both numbers of samples that it may hold."""

    def miss_at(n: npt.NDArray[np.int64]) -> Numbers:
        if votes is None:
            return miss_of_all(n, p, correlation)
        after_miss = p if model == "published" else p * (1 - correlation)
        return no_run(n, votes, first=p, after_miss=after_miss, after_hit=p + (1 - p) * correlation)

    missed = (1 - counts.more) * miss_at(counts.fewer) + counts.more * miss_at(counts.fewer + 1)
    return np.clip(missed, 0.0, 1.0)


_FREQUENCY = "it must be above 0 and at most 1, the share of the time that events fill; divide a percentage by 100"
