"""How good a model is on a split."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from rheostat.errors import DataError
from rheostat.training.loader import ImageLoader


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

    Raises:
        DataError: The loader yields nothing.
    """
    was_training = model.training
    model.eval()
    loss = wrong = torch.zeros((), dtype=torch.float64)
    seen = 0
    with torch.no_grad():
        for images, labels in loader:
            logits = model(images).float()
            loss = loss + F.cross_entropy(logits, labels, reduction="sum").double().cpu()
            wrong = wrong + (logits.argmax(1) != labels).sum().cpu()
            seen += len(labels)
    model.train(was_training)
    if not seen:
        raise DataError("there is no image to evaluate on: none of them can be decoded")
    return Evaluation(float(loss) / seen, float(wrong) / seen)
