"""How strongly the misses of one event hang together, measured on labelled events.

Source of the pooled figure: Jiang et al., Mainstream, USENIX ATC 2018, section 5.1. By lag: ours, because neighbouring
samples are the more alike the closer they are, so that one figure does not fit all rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rheostat.errors import DataError
from rheostat.share.events.checks import Flags, Numbers, bad_rates, outside, refuse


class PooledCorrelation(NamedTuple):
    """Over all pairs of frames of one event; see `pooled_correlation`.

    Attributes:
        hit: p, share of frames that are hits.
        miss_after_miss: q, share of pairs with a first miss of which the second is one as well; nan without such a
            pair.
        correlation: c; 0 = independent, 1 = copies. Not clipped: below 0 where a miss makes a hit more likely. nan
            without such a pair.
        pairs: How many pairs have a miss for their first.
    """

    hit: float
    miss_after_miss: float
    correlation: float
    pairs: int


@dataclass(frozen=True, eq=False)
class CorrelationByLag:
    """Per lag `[L]`, what a miss says of the frame that many frames later.

    Attributes:
        lags: In stream frames, ascending.
        pairs: Pairs of frames of one event, that far apart, of which the first is a miss.
        miss_after_miss: Share of those pairs of which the second is a miss as well; nan without a pair.
        correlation: c; 0 = independent, 1 = copies. Not clipped: below 0 where a miss makes a hit more likely. nan
            without a pair.
        low: Lower end of the interval of `correlation`.
        high: Its upper end.
        hit: p, share of frames that are hits.
        hit_interval: Both ends of its interval.
        confidence: Of all intervals, in (0, 1).
    """

    lags: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.int64]
    miss_after_miss: Numbers
    correlation: Numbers
    low: Numbers
    high: Numbers
    hit: float
    hit_interval: tuple[float, float]
    confidence: float

    def for_workload(self, stream_fps: float) -> dict[str, list[float]]:
        """Give the `correlation` of an app in a workload: by lag in seconds, clipped to [0, 1], nan left out."""
        known = np.flatnonzero(np.isfinite(self.correlation))
        return {
            "lag_seconds": (self.lags[known] / stream_fps).tolist(),
            "value": np.clip(self.correlation[known], 0.0, 1.0).tolist(),
        }


def correlation_of(miss_after_miss: npt.ArrayLike, hit: npt.ArrayLike) -> Numbers:
    """Correlation (q - (1 - p)) / p from the chance q of a miss after a miss and the hit rate p; nan where p is 0."""
    return _ratio(np.asarray(miss_after_miss) - (1 - np.asarray(hit, dtype=np.float64)), hit)


def pooled_correlation(events: Sequence[npt.ArrayLike]) -> PooledCorrelation:
    """Correlation over all ordered pairs i < j of frames of one event, whatever their distance, as published.

    Args:
        events: One `[T]` array each, in order of time: booleans, true = hit, or probabilities, of which those from 0.5
            on are hits. Empty events are allowed.

    Raises:
        DataError: There is no frame, or something else than booleans and probabilities.
    """
    misses = _misses(events)
    hit = 1 - sum(int(m.sum()) for m in misses) / sum(len(m) for m in misses)
    pairs = sum(int((len(m) - 1 - np.flatnonzero(m)).sum()) for m in misses)
    both = sum(int(m.sum()) * (int(m.sum()) - 1) // 2 for m in misses)
    again = float(_ratio(both, pairs))
    return PooledCorrelation(hit, again, float(correlation_of(again, hit)), pairs)


def correlation_by_lag(
    events: Sequence[npt.ArrayLike],
    lags: Sequence[int],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    rng: np.random.Generator,
) -> CorrelationByLag:
    """Correlation of frames a given number of frames apart, with a bootstrap interval.

    Whole events are drawn anew, not frames, because the frames of one event are dependent. The interval is between the
    quantiles of the resamples in which the figure exists.

    Args:
        events: As for `pooled_correlation`.
        lags: In stream frames, >= 1, ascending.
        confidence: Of the intervals, in (0, 1).
        resamples: How often events are drawn, >= 1.
        rng: Moved on.

    Raises:
        DataError: As for `pooled_correlation`.
        SettingsError: A lag, the confidence or the number of resamples is outside its range.
    """
    wanted = np.asarray(lags, dtype=np.int64)
    refuse(
        outside("a lag", wanted, np.diff(wanted, prepend=0) > 0, "lags must be at least 1 frame, and ascend")
        + outside("confidence", confidence, 0 < confidence < 1, "it must lie in (0, 1); 0.95 is usual")
        + outside("resamples", resamples, resamples >= 1, "it must be at least 1; 1000 is usual")
    )
    misses = _misses(events)
    frames = np.array([[len(m), m.sum()] for m in misses])
    pairs = np.array([[m[: max(len(m) - lag, 0)].sum() for lag in wanted] for m in misses])
    both = np.array([[(m[: max(len(m) - lag, 0)] & m[lag:]).sum() for lag in wanted] for m in misses])

    def figures(times: npt.NDArray[np.int64]) -> tuple[Numbers, Numbers, Numbers]:
        """Hit rate `[B, 1]`, q and c `[B, L]`, with every event taken as often as `times` `[B, events]` says."""
        total = times @ frames
        hit = 1 - _ratio(total[:, 1:], total[:, :1])
        again = _ratio(times @ both, times @ pairs)
        return hit, again, correlation_of(again, hit)

    hit, again, correlation = (f[0] for f in figures(np.ones((1, len(misses)), dtype=np.int64)))
    drawn = rng.multinomial(len(misses), np.full(len(misses), 1 / len(misses)), size=resamples)
    hits, _, correlations = figures(drawn)
    (hit_low, hit_high), *intervals = (_interval(f, confidence) for f in np.hstack([hits, correlations]).T)
    low, high = np.array(intervals).reshape(-1, 2).T
    interval = (float(hit_low), float(hit_high))
    return CorrelationByLag(
        wanted, pairs.sum(axis=0), again, correlation, low, high, float(hit[0]), interval, confidence
    )


def at_rates(by_lag: CorrelationByLag, fps: npt.ArrayLike, stream_fps: float) -> Numbers:
    """Correlation of neighbouring samples at each rate, for `detection`.

    The lag is the stride, stream_fps / fps. Between two measured lags it is interpolated linearly, outside of them the
    nearest one is taken; lags without a pair are left out.

    Args:
        by_lag: What was measured.
        fps: Rates, each in (0, stream_fps].
        stream_fps: Frames per second of the stream that was measured.

    Returns:
        Of the shape of `fps`, clipped to [0, 1].

    Raises:
        DataError: No lag has a correlation.
        SettingsError: A rate is outside its range.
    """
    refuse(bad_rates(fps, stream_fps))
    known = np.isfinite(by_lag.correlation)
    if not known.any():
        raise DataError(
            f"none of the {len(known)} lags has a correlation: measure events that hold misses, or hits at all"
        )
    stride = stream_fps / np.asarray(fps, dtype=np.float64)
    return np.clip(np.interp(stride, by_lag.lags[known], by_lag.correlation[known]), 0.0, 1.0)


def _misses(events: Sequence[npt.ArrayLike]) -> list[Flags]:
    """`[T]` per event, whether each frame is a miss."""
    found = []
    for number, event in enumerate(events):
        values = np.asarray(event)
        if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
            raise DataError(
                f"event {number} has shape {values.shape} and values {values.ravel()[:3]} ...: an event is one row of "
                "booleans, true = hit, or of probabilities in [0, 1]"
            )
        found.append(values < 0.5 if values.dtype != np.bool_ else ~values)
    if not sum(len(miss) for miss in found):
        raise DataError(f"{len(found)} events hold no frame: give at least one event with frames")
    return found


def _ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> Numbers:
    """Part / whole, nan where the whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)


def _interval(values: Numbers, confidence: float) -> tuple[float, float]:
    """Quantiles of those values that exist; nan if none does."""
    known = values[np.isfinite(values)]
    if not len(known):
        return (np.nan, np.nan)
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return (float(low), float(high))
