"""A batch as the model is to see it."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Int
from torch import Tensor

from rheostat.augment.kinds.kind import Choice


@dataclass(frozen=True)
class View:
    """What the model is to be given for a batch, some of it augmented.

    Attributes:
        images: `[B, C, H, W]`, of the type that came in; rows that are not augmented are unchanged, bit for bit.
        augmented: `[B]` bool.
        index: `[B]` int64, data set indices.
        rows: `[M]` int64, positions of the augmented ones in the batch, ascending.
        choice: What was applied to those M.
    """

    images: Tensor
    augmented: Bool[Tensor, " b"]
    index: Int[Tensor, " b"]
    rows: Int[Tensor, " m"]
    choice: Choice
