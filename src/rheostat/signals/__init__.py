"""What is observed while a model trains: scores, their percentiles, a log per example, meters.

The names below load on first use, so that `rheostat.signals.meters` can be had without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rheostat.signals.loaders import IndexedLoader, indexed
    from rheostat.signals.log import ExampleLog
    from rheostat.signals.meters import Meters
    from rheostat.signals.percentile import RollingPercentile
    from rheostat.signals.scores import (
        Score,
        cross_entropy,
        entropy,
        euclidean,
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
    "entropy",
    "euclidean",
    "indexed",
    "negative_margin",
    "score_named",
]

_HOME = {
    "ExampleLog": "log",
    "IndexedLoader": "loaders",
    "Meters": "meters",
    "RollingPercentile": "percentile",
    "indexed": "loaders",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME.get(name, 'scores')}"), name)
