"""Models that a run can name: five of our own for small images, and every name of timm.

The names below load on first use, so that the list of models can be had without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rheostat.training.models.build import build_model
    from rheostat.training.models.names import model_names

__all__ = ["build_model", "model_names"]

_HOME = {"build_model": "build", "model_names": "names"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
