"""How well events, runs of frames, are detected from frames that are only sampled."""

from rheostat.share.events.correlation import (
    CorrelationByLag,
    PooledCorrelation,
    at_rates,
    correlation_by_lag,
    correlation_of,
    pooled_correlation,
)
from rheostat.share.events.intervals import Interval, Judged, judge_events
from rheostat.share.events.model import (
    EVENT_MODELS,
    Detection,
    SampleCounts,
    conditional_miss,
    detection,
    f1_of,
    miss_of_all,
    precision_of,
    sample_counts,
)
from rheostat.share.events.replay import ALARMS, replay
from rheostat.share.events.simulate import CORRELATION_AT, Simulated, Timeline, simulate, timeline
from rheostat.share.events.votes import no_run

__all__ = [  # noqa: RUF022 - in plain order, as tests/test_public_names.py asks
    "ALARMS",
    "CORRELATION_AT",
    "CorrelationByLag",
    "Detection",
    "EVENT_MODELS",
    "Interval",
    "Judged",
    "PooledCorrelation",
    "SampleCounts",
    "Simulated",
    "Timeline",
    "at_rates",
    "conditional_miss",
    "correlation_by_lag",
    "correlation_of",
    "detection",
    "f1_of",
    "judge_events",
    "miss_of_all",
    "no_run",
    "pooled_correlation",
    "precision_of",
    "replay",
    "sample_counts",
    "simulate",
    "timeline",
]
