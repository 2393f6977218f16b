"""How good a model is on a split."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from rheostat.errors import DataError
from rheostat.training.loader import ImageLoader
from rheostat.training.processes import Processes


@dataclass(frozen=True)
class Evaluation:
    """Loss and error on a split.

    Attributes:
        loss: Mean cross-entropy in nats.
        error: Share of wrong predictions, in [0, 1].
    """

    loss: float
    error: float


def evaluate(model: nn.Module, loader: ImageLoader) -> Evaluation:
    """Loss and error of a model over one epoch of a loader; the model's mode is put back.

    Where several processes share the loader, each sends its shard through its own copy of the model, and all get the
    sums: every process must call this, with a model that synchronises nothing.

    Raises:
        DataError: The loader yields nothing.
    """
    was_training = model.training
    model.eval()
    loss = wrong = seen = torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        for images, labels in loader:
            logits = model(images).float()
            loss = loss + F.cross_entropy(logits, labels, reduction="sum").double().cpu()
            wrong = wrong + (logits.argmax(1) != labels).sum().cpu()
            seen = seen + len(labels)
    model.train(was_training)
    total_loss, total_wrong, examples = Processes(loader.shard).total(torch.stack([loss, wrong, seen])).tolist()
    if not examples:
        raise DataError("there is no image to evaluate on: none of them can be decoded")
    return Evaluation(total_loss / examples, total_wrong / examples)
