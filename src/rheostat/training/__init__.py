"""One training loop, and the models and data that it can name."""

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
