"""How good a variant is, and how sure that is: figures of held-out frames, with what they rest on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from rheostat.errors import DataError, SettingsError
from rheostat.share.events import correlation_by_lag
from rheostat.share.events.replay import segments
from rheostat.share.plan import CorrelationTable

CONFIDENCE = 0.95
LONGEST_LAG_SECONDS = 2.0
_LAGS = 24  # measured at most: neighbours far apart say nearly the same
_WHOLLY_DEPENDENT = CorrelationTable(lag_seconds=(0.0,), value=(1.0,))
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Judgement:
    """Figures of one variant, in [0, 1], with both ends of their intervals.

    Attributes:
        hit: Share of the frames of events that are taken for one.
        false_positive: The same of the frames without an event.
    """

    hit: float
    hit_interval: tuple[float, float]
    false_positive: float
    false_positive_interval: tuple[float, float]


def wilson(share: float, number: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's interval of a share out of `number` independent observations: both ends, in [0, 1].

    Args:
        share: Observed, in [0, 1].
        number: Of observations, >= 1.
        confidence: In (0, 1).

    Raises:
        SettingsError: A value is outside its range.

    Source: E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22(158), 1927.
    """
    if not 0 <= share <= 1 or number < 1 or not 0 < confidence < 1:
        raise SettingsError(
            f"share {share:g}, number {number}, confidence {confidence:g}: must be a share in [0, 1] of at least 1 "
            "observation, and a confidence in (0, 1)"
        )
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = share + z * z / (2 * number)
    half = z * math.sqrt(share * (1 - share) / number + z * z / (4 * number * number))
    scale = 1 + z * z / number
    low, high = (centre - half) / scale, (centre + half) / scale
    # an end is never beyond the share itself: where the two coincide rounding could put it there
    return min(max(low, 0.0), share), max(min(high, 1.0), share)


def judge(said: Flags, labels: Flags, boundaries: Sequence[int] = ()) -> Judgement:
    """Hit and false-positive rate per frame, with Wilson intervals.

    Frames of one event are nearly alike, so they are not independent observations: an interval takes the number of
    *events* (for hits) or of *gaps* (for false positives) as the number of observations, as if each were right or wrong
    as a whole. That is wide where there are few, and rightly so.

    Args:
        said: `[T]`, whether a frame was taken for one of an event.
        labels: `[T]`, whether it is.
        boundaries: First frames of the clips after the first one; no event and no gap reaches over them.

    Raises:
        DataError: There is no frame of an event, or none without.
    """
    figures = []
    for kind, which in (("of an event", labels), ("without an event", ~labels)):
        if not which.any():
            raise DataError(f"the held-out time has no frame {kind}: give longer clips, or other shares")
        share = float(said[which].mean())
        figures += [share, wilson(share, count(which, boundaries))]
    return Judgement(*figures)


def count(which: Flags, boundaries: Sequence[int] = ()) -> int:
    """How many runs of true `which` `[T]` has, none of which reaches over a boundary."""
    return len(np.unique(segments(which, boundaries)[which]))


def miss_correlation(
    said: Sequence[Flags], labels: Flags, stream_fps: float, boundaries: Sequence[int] = ()
) -> CorrelationTable:
    """Correlation of the misses of one event by the time between the frames, pooled over the variants.

    Measured at lags of up to `LONGEST_LAG_SECONDS`. Where nothing was missed, or nothing hit, there is nothing to
    measure, and misses are taken to hang together wholly (1 at any lag): the careful choice, by which looking more
    often at one event is of no use.

    Args:
        said: Per variant `[T]`, whether a frame was a hit.
        labels: `[T]`, whether a frame belongs to an event.
        stream_fps: Frames per second.
        boundaries: As for `judge`.
    """
    numbered = segments(labels, boundaries)
    events = [np.flatnonzero(numbered == number) for number in np.unique(numbered[labels])]
    hits = [flags[event] for flags in said for event in events]
    longest = min(int(LONGEST_LAG_SECONDS * stream_fps), max(map(len, events)) - 1)
    if longest < 1:
        return _WHOLLY_DEPENDENT
    lags = sorted({round(lag) for lag in np.geomspace(1, longest, _LAGS)})
    # of the intervals, which are drawn at random, nothing is kept
    by_lag = correlation_by_lag(hits, lags, resamples=1, rng=np.random.default_rng(0))
    if not np.isfinite(by_lag.correlation).any():
        return _WHOLLY_DEPENDENT
    return CorrelationTable.model_validate(by_lag.for_workload(stream_fps))


def dominated(frozen: Sequence[int], judgements: Sequence[Judgement]) -> list[bool]:
    """Tell for each variant whether another one freezes more layers and is at least as good in both figures."""
    points = list(zip(frozen, judgements, strict=True))
    return [
        any(
            other > at and better.hit >= mine.hit and better.false_positive <= mine.false_positive
            for other, better in points
        )
        for at, mine in points
    ]
