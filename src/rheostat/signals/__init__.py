"""What is observed while a model trains: scores, their percentiles, a log per example, meters.

The names below load on first use, so that `rheostat.signals.meters` can be had without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheostat.lazy import lazily

if TYPE_CHECKING:
    from rheostat.signals.loaders import IndexedLoader, indexed
    from rheostat.signals.log import ExampleLog
    from rheostat.signals.meters import Meters
    from rheostat.signals.percentile import RollingPercentile
    from rheostat.signals.scores import (
        Score,
        cross_entropy,
        doubt,
        energy,
        entropy,
        euclidean,
        gradient_norm,
        max_softmax,
        negative_margin,
        score_named,
    )

__all__ = [
    "ExampleLog",
    "IndexedLoader",
    "Meters",
    "RollingPercentile",
    "Score",
    "cross_entropy",
    "doubt",
    "energy",
    "entropy",
    "euclidean",
    "gradient_norm",
    "indexed",
    "max_softmax",
    "negative_margin",
    "score_named",
]

__getattr__ = lazily(
    __name__,
    {
        "ExampleLog": "log",
        "IndexedLoader": "loaders",
        "Meters": "meters",
        "RollingPercentile": "percentile",
        "Score": "scores",
        "cross_entropy": "scores",
        "doubt": "scores",
        "energy": "scores",
        "entropy": "scores",
        "euclidean": "scores",
        "gradient_norm": "scores",
        "indexed": "loaders",
        "max_softmax": "scores",
        "negative_margin": "scores",
        "score_named": "scores",
    },
)
