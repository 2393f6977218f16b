"""A model that a loader scores with and does not watch."""

from __future__ import annotations

from typing import Any

from torch import nn


class Unwatched(nn.Module):
    """The model as a `SelectiveLoader` is given it by a trainer that fetches batches ahead.

    The loader would watch the training passes of the model itself and have to guess which batch each is of. Here that
    is known, and the logits are handed over (`SelectiveLoader.observe`).

    Args:
        model: Scores the candidates.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the model gives."""
        return self.model(*args, **kwargs)

    def within(self, model: nn.Module) -> nn.Module:
        """The model itself where `model` is this; any other, such as a proxy that scores instead, as it is."""
        return self.model if model is self else model
