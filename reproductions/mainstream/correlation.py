"""How strongly the misses of one event hang together, on the pedestrian events that are published frame by frame."""

from __future__ import annotations

import numpy as np

from reproductions.mainstream.published import document
from reproductions.running import Cell, Figure, Row
from rheostat.share.events import correlation_by_lag, pooled_correlation

LAGS = (1, 2, 5, 10, 30, 100)
SEED = 0


def events() -> list[list[float]]:
    """The probability of a pedestrian in each frame, per event; five events are empty."""
    return list(document("pedestrian_event_predictions.json")["events"].values())


def row(_: Cell) -> Row:
    """The pooled figure as published, and the correlation by lag with intervals."""
    pooled = pooled_correlation(events())
    by_lag = correlation_by_lag(events(), LAGS, rng=np.random.default_rng(SEED))
    constants = document("app_params.json")
    return {
        "events": len(events()),
        "frames": sum(map(len, events())),
        "published": {
            "miss_after_miss": constants["cond_miss_prob_pedestrian_by_num_frozen"]["values"]["9"],
            "correlation": {
                name: constants["single_app_defaults"]["correlation"][name] for name in ("pedestrian", "train")
            },
        },
        "pooled": pooled._asdict(),
        "hit_interval": by_lag.hit_interval,
        "lags": [
            {"lag": int(lag), "pairs": int(n), "miss_after_miss": q, "correlation": c, "low": low, "high": high}
            for lag, n, q, c, low, high in zip(
                by_lag.lags,
                by_lag.pairs,
                by_lag.miss_after_miss,
                by_lag.correlation,
                by_lag.low,
                by_lag.high,
                strict=True,
            )
        ],
    }


FIGURE = Figure(
    name="correlation",
    what="chance of a miss after a miss, over all pairs of frames as published, and by their distance",
    claimed=(),
    cells=lambda _: [{"dataset": "pedestrian"}],
    row=row,
    setting={"lags": list(LAGS), "confidence": 0.95, "resamples": 1000, "seed": SEED},
)
