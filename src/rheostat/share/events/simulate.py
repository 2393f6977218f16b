"""Draw timelines and count: what the event models are tested against."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rheostat.errors import unknown_name
from rheostat.share.events.checks import Flags, Numbers, bad_probabilities, bad_rates, bad_votes, outside, refuse
from rheostat.share.events.counting import Ints, positive_runs, reported
from rheostat.share.events.model import Detection, f1_of, precision_of

CORRELATION_AT = ("sample", "frame")


class Simulated(NamedTuple):
    """What was counted, and the standard error of each figure."""

    detection: Detection
    standard_error: Detection


class Timeline(NamedTuple):
    """A labelled video: `[T]` booleans per frame, what the app says of it and whether it belongs to an event."""

    positives: Flags
    labels: Flags


def timeline(
    *,
    hit: float,
    false_positive: float,
    event_seconds: float,
    event_frequency: float,
    correlation: float,
    stream_fps: float,
    events: int,
    rng: np.random.Generator,
) -> Timeline:
    """Draw the frames of a video in which events and gaps take turns, for `replay` and for tests.

    Args and errors are those of `simulate`, with the correlation from frame to frame.
    """
    refuse(
        _problems(hit, false_positive, event_seconds, event_frequency, correlation, events)
        + outside("stream_fps", stream_fps, 0 < stream_fps < np.inf, "it must be above 0")
    )
    frames = _lengths(event_seconds, event_frequency, stream_fps, events, rng)
    segment = np.repeat(np.arange(len(frames)), frames)
    positives = _chain(segment, np.tile([hit, false_positive], events), correlation, rng)
    return Timeline(positives, segment % 2 == 0)


def simulate(
    *,
    hit: float,
    false_positive: float,
    event_seconds: float,
    event_frequency: float,
    correlation: float,
    fps: float,
    stream_fps: float,
    votes: int | None = None,
    correlation_at: str = "sample",
    events: int = 10_000,
    rng: np.random.Generator,
) -> Simulated:
    """Draw a timeline of events and gaps in turn, sample it, and count what is detected.

    Gaps are as long as in the model `paper`, and count once. A length that is no whole number of frames is rounded up
    or down at random, right in the mean. Positives are a stationary chain of two states, begun anew at each end of an
    event; so is the phase of the sampler, because with events of one length a single phase would be that of all.

    Args:
        hit: As for `detection`, like the next six.
        false_positive: Chance that a frame of a gap is positive.
        event_seconds: Length of every event.
        event_frequency: Share of the time that events fill.
        correlation: Autocorrelation of the chain from one step to the next.
        fps: Sampled frames per second.
        stream_fps: Frames per second of the camera.
        votes: How many positive samples in a row make a detection; None = any one.
        correlation_at: A step of the chain is from `sample` to sample, or from `frame` to frame of the stream.
        events: Number of events, and of gaps, >= 1.
        rng: Moved on.

    Returns:
        Scalars. The standard errors are those of the shares after one more success and one more failure, hence not 0.

    Raises:
        SettingsError: A number is outside its range, or `correlation_at` is not known.
    """
    if correlation_at not in CORRELATION_AT:
        raise unknown_name("step of the correlation", correlation_at, CORRELATION_AT)
    wrong = _problems(hit, false_positive, event_seconds, event_frequency, correlation, events)
    refuse(wrong + bad_rates(fps, stream_fps) + bad_votes(votes))
    frames = _lengths(event_seconds, event_frequency, stream_fps, events, rng)
    chance = np.tile([hit, false_positive], events)
    segment, frame = _samples(frames, stream_fps / fps, rng)
    if correlation_at == "sample":
        positive = _chain(segment, chance, correlation, rng)
    else:
        of_frame = np.repeat(np.arange(len(frames)), frames)
        positive = _chain(of_frame, chance, correlation, rng)[frame]
    found = reported(positive_runs(positive, segment), 1 if votes is None else votes)
    detected = int((found % 2 == 0).sum())
    return _estimate(detected, len(found) - detected, events)


def _problems(
    hit: float, false_positive: float, event_seconds: float, event_frequency: float, correlation: float, events: int
) -> list[str]:
    return (
        bad_probabilities(hit=hit, false_positive=false_positive, correlation=correlation)
        + outside("event_seconds", event_seconds, 0 < event_seconds < np.inf, "it must be above 0 seconds")
        + outside("event_frequency", event_frequency, 0 < event_frequency <= 1, "it must be above 0 and at most 1")
        + outside("events", events, events >= 1, "it must be at least 1; 10000 give two digits")
    )


def _lengths(
    event_seconds: float, event_frequency: float, stream_fps: float, events: int, rng: np.random.Generator
) -> Ints:
    """Frames of event, gap, event, gap, ...: `[2 events]`, rounded up or down at random."""
    mean = event_seconds * stream_fps * np.array([1.0, (1 - event_frequency) / event_frequency])
    return np.floor(np.tile(mean, events) + rng.random(2 * events)).astype(np.int64)


def _samples(frames: Ints, stride: float, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Sample segments of `frames` frames each, from a random phase: the segment and the frame of every sample."""
    phase = rng.random(len(frames)) * stride
    count = np.maximum(np.ceil((frames - phase) / stride), 0).astype(np.int64)
    segment = np.repeat(np.arange(len(frames)), count)
    nth = np.arange(len(segment)) - (np.cumsum(count) - count)[segment]
    inside = np.minimum(np.floor(phase[segment] + nth * stride).astype(np.int64), frames[segment] - 1)
    return segment, (np.cumsum(frames) - frames)[segment] + inside


def _chain(segment: Ints, chance: Numbers, correlation: float, rng: np.random.Generator) -> Flags:
    """A stationary two-state chain per segment: a step keeps the state with chance `correlation`, else draws anew."""
    fresh = rng.random(len(segment)) >= correlation
    fresh[np.flatnonzero(np.diff(segment, prepend=-1))] = True
    drawn = rng.random(len(segment)) < chance[segment]
    return drawn[np.maximum.accumulate(np.where(fresh, np.arange(len(segment)), 0))]


def _estimate(detected: int, alarms: int, n: int) -> Simulated:
    """Shares out of `n` events and `n` gaps; the errors of precision and F1 follow from those of the two shares."""
    r, m = np.float64(detected / n), np.float64(alarms / n)
    precision = precision_of(r, m, 0.5)
    near = np.array([detected + 1, alarms + 1]) / (n + 2)
    variance = near * (1 - near) / n
    (a, b), total = near, near.sum()
    slopes = Detection(  # with respect to r and m; F1 = 2 r / (r + m + 1)
        recall=np.array([1.0, 0.0]),
        precision=np.array([b, -a]) / total**2,
        f1=2 * np.array([b + 1, -a]) / (total + 1) ** 2,
    )
    errors = Detection(*(np.sqrt((slope**2 * variance).sum()) for slope in slopes))
    return Simulated(Detection(np.asarray(r), precision, f1_of(r, precision)), errors)
