"""Count what is detected: the one core of `replay` and `simulate`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rheostat.share.events.checks import Flags

Ints = npt.NDArray[np.int64]


class Runs(NamedTuple):
    """Maximal runs of positive samples, `[R]` each, in order of time; no run reaches over the end of its segment."""

    segment: Ints
    length: Ints


def positive_runs(positive: Flags, segment: Ints) -> Runs:
    """Find the runs among samples.

    Args:
        positive: `[M]`, whether a sample is positive.
        segment: `[M]`, the number of the event or gap that it lies in, ascending.
    """
    goes_on = np.zeros(len(positive), dtype=np.bool_)
    goes_on[1:] = positive[:-1] & (segment[1:] == segment[:-1])
    start = positive & ~goes_on
    number = np.cumsum(start) - 1  # of the run that a positive sample belongs to
    return Runs(segment[start], np.bincount(number[positive], minlength=int(start.sum())))


def reported(runs: Runs, votes: int) -> Ints:
    """The segments, each once, that hold a run of at least `votes` positives."""
    return np.unique(runs.segment[runs.length >= votes])
