"""One training loop, and the models and data that it can name.

The names below load on first use, so that the list of models can be had without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheostat.lazy import lazily

if TYPE_CHECKING:
    from rheostat.training.checkpoint import RunFolder
    from rheostat.training.data import ImageData
    from rheostat.training.evaluation import Evaluation, evaluate
    from rheostat.training.loader import ImageLoader
    from rheostat.training.loop import train
    from rheostat.training.models import build_model, model_names
    from rheostat.training.plan import Plan, prepare
    from rheostat.training.reading import load_data

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

__getattr__ = lazily(
    __name__,
    {
        "Evaluation": "evaluation",
        "ImageData": "data",
        "ImageLoader": "loader",
        "Plan": "plan",
        "RunFolder": "checkpoint",
        "build_model": "models",
        "evaluate": "evaluation",
        "load_data": "reading",
        "model_names": "models",
        "prepare": "plan",
        "train": "loop",
    },
)
