"""The profiled model, which is no model at all: count what a recorded video would have given."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rheostat.errors import DataError, unknown_name
from rheostat.share.events.checks import Flags, bad_rates, bad_votes, frame_flags, refuse
from rheostat.share.events.counting import Ints, Runs, positive_runs, reported
from rheostat.share.events.model import Detection, f1_of, precision_of

ALARMS = ("gap", "run")


def replay(
    positives: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    stream_fps: float,
    fps: npt.ArrayLike,
    votes: int | Sequence[int] | None = None,
    alarms: str = "gap",
    boundaries: Sequence[int] = (),
) -> Detection:
    """Measure how well the events of a labelled video are detected at lower rates.

    An event is a maximal run of true labels, a gap one of false labels. At stride s = stream_fps / fps the frames
    floor(o + j s) are sampled, for each start o = 0 .. ceil(s) - 1 in turn; counts are summed over the starts. An
    event is detected if `votes` positive samples in a row lie inside it. Precision is detected events over detected
    events and false alarms; 1 if there is neither.

    Args:
        positives: `[T]` booleans, what the app said of each frame.
        labels: `[T]` booleans, whether the frame belongs to an event.
        stream_fps: Frames per second of the video, > 0.
        fps: Rates, each in (0, stream_fps].
        votes: How many positive samples in a row make a detection, >= 1; None = any one.
        alarms: What a false alarm is: `gap`, a gap with such a run inside, once however many there are, as `paper`
            counts; `run`, every such run inside a gap, as the operator sees them.
        boundaries: First frames of further videos that follow the first one. No event and no gap reaches over them; the
            sampling goes on across.

    Returns:
        Of the shape of `fps`, followed by that of `votes`: [rates], or [rates, votes] for a sequence of votes.

    Raises:
        DataError: Positives and labels are not booleans of one length, there is no event, or a boundary is no frame.
        SettingsError: A rate, a number of votes or `alarms` is not allowed.
    """
    if alarms not in ALARMS:
        raise unknown_name("way to count alarms", alarms, ALARMS)
    refuse(bad_rates(fps, stream_fps) + bad_votes(votes))
    said, is_event = frame_flags("positives", positives), frame_flags("labels", labels)
    if len(said) != len(is_event):
        raise DataError(f"there are {len(said)} positives and {len(is_event)} labels: give one of each per frame")
    if not is_event.any():
        raise DataError(f"none of the {len(is_event)} labels is true: without an event there is no recall to measure")

    wanted = np.atleast_1d(np.asarray(1 if votes is None else votes))
    segment = segments(is_event, boundaries)
    change = np.flatnonzero(np.diff(segment, prepend=-1))  # first frame of each segment
    event_segments = is_event[change]
    counts = [
        _count(said, segment, event_segments, float(stream_fps), rate, wanted, alarms)
        for rate in np.ravel(np.asarray(fps, dtype=np.float64))
    ]
    shape = np.shape(fps) + (() if votes is None else np.shape(votes))
    events, detected, false = np.array(counts).reshape(-1, len(wanted), 3).transpose(2, 0, 1).reshape(3, *shape)
    recall = detected / events
    precision = precision_of(detected, false, 0.5)
    return Detection(np.asarray(recall), precision, f1_of(recall, precision))


def segments(labels: Flags, boundaries: Sequence[int] = ()) -> Ints:
    """Number the events and gaps of a video, or of several after one another: `[T]`, from 0, ascending.

    Args:
        labels: `[T]`, whether a frame belongs to an event.
        boundaries: First frames of the videos after the first one.

    Raises:
        DataError: A boundary is none of the frames.
    """
    starts = np.diff(labels, prepend=labels[:1])
    for first in boundaries:
        if not 0 <= first < len(labels):
            raise DataError(f"a video begins at frame {first}: must be one of the {len(labels)} frames")
        starts[first] = first > 0
    return np.cumsum(starts)


def _count(
    said: Flags, segment: Ints, is_event: Flags, stream_fps: float, fps: float, votes: Ints, alarms: str
) -> list[tuple[int, int, int]]:
    """Events, detected ones and false alarms over all starts, for each number of votes."""
    starts = np.arange(math.ceil(stream_fps / fps))
    steps = np.arange(math.ceil(len(said) * fps / stream_fps) + 1)
    frames = starts[:, None] + np.floor(steps * stream_fps / fps).astype(np.int64)
    inside = frames < len(said)
    sampled = frames[inside]
    # the segments of each start have numbers of their own
    numbered = segment[sampled] + len(is_event) * np.broadcast_to(starts[:, None], frames.shape)[inside]
    runs = positive_runs(said[sampled], numbered)
    return [_tally(runs, int(x), np.tile(is_event, len(starts)), alarms) for x in votes]


def _tally(runs: Runs, votes: int, is_event: Flags, alarms: str) -> tuple[int, int, int]:
    found = reported(runs, votes)
    detected = int(is_event[found].sum())
    of_gaps = ~is_event[found if alarms == "gap" else runs.segment[runs.length >= votes]]
    return int(is_event.sum()), detected, int(of_gaps.sum())
