"""One training loop, and the models and data that it can name.

The names below load on first use, so that the list of models can be had without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rheostat.training.checkpoint import RunFolder
    from rheostat.training.data import ImageData, ImageLoader, load_data
    from rheostat.training.loop import Evaluation, Plan, evaluate, prepare, train
    from rheostat.training.models import build_model, model_names

__all__ = [
    "Evaluation",
    "ImageData",
    "ImageLoader",
    "Plan",
    "RunFolder",
    "build_model",
    "evaluate",
    "load_data",
    "model_names",
    "prepare",
    "train",
]

_HOME = {
    "RunFolder": "checkpoint",
    "ImageData": "data",
    "ImageLoader": "data",
    "load_data": "data",
    "build_model": "models",
    "model_names": "models",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME.get(name, 'loop')}"), name)
