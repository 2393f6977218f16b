"""AutoAugment's published policy for CIFAR-10."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rheostat.augment.kinds.kind import Choice
from rheostat.augment.kinds.ranges import published_magnitude
from rheostat.augment.operations import OPERATIONS

_Part = tuple[str, float, int | None]

SUB_POLICIES: tuple[tuple[_Part, _Part], ...] = (
    (("invert", 0.1, None), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate-x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear-y", 0.5, 8), ("translate-y", 0.7, 9)),
    (("auto-contrast", 0.5, None), ("equalize", 0.9, None)),
    (("shear-y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, None), ("equalize", 0.5, None)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate-x", 0.5, 8)),
    (("equalize", 0.3, None), ("auto-contrast", 0.4, None)),
    (("translate-y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, None)),
    (("equalize", 0.2, None), ("auto-contrast", 0.6, None)),
    (("equalize", 0.2, None), ("equalize", 0.6, None)),
    (("color", 0.9, 9), ("equalize", 0.6, None)),
    (("auto-contrast", 0.8, None), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("auto-contrast", 0.9, None)),
    (("translate-y", 0.9, 9), ("translate-y", 0.7, 9)),
    (("auto-contrast", 0.9, None), ("solarize", 0.8, 3)),
    (("equalize", 0.8, None), ("invert", 0.1, None)),
    (("translate-y", 0.7, 9), ("auto-contrast", 0.9, None)),
)
"""25 pairs of (operation, probability, magnitude 0 to 9, None where it means nothing): table 7 of the paper."""

_STRONGEST = 9


@dataclass(frozen=True)
class AutoAugment:
    """One of 25 pairs of operations for each example, each operation with its own probability.

    The pair is drawn uniformly, and the sign of each magnitude is a fair coin. An operation that is not applied is
    chosen as identity.

    Source:
        Cubuk et al., "AutoAugment", arXiv:1805.09501, tables 6 and 7: what reinforcement learning found for CIFAR-10.
    """

    def choose(self, difficulty: Float[Tensor, " b"], generator: torch.Generator) -> Choice:
        """Choose two operations for each of the `[B]` examples; their difficulty is not looked at."""
        count, device = len(difficulty), difficulty.device
        pair = torch.randint(0, len(SUB_POLICIES), (count,), generator=generator, device=device)
        applied = torch.rand(count, 2, generator=generator, device=device)
        sign = 2 * torch.randint(0, 2, (count, 2), generator=generator, device=device) - 1
        operation, probability, step = (column[pair] for column in _table(device))
        operation = operation.masked_fill(applied >= probability, OPERATIONS.index("identity"))
        magnitude, level = published_magnitude(operation, step / _STRONGEST, sign)
        return Choice(operation, magnitude, level, torch.full_like(operation, -1), torch.full_like(pair, -1))


@functools.cache
def _table(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Operation ids, probabilities and magnitudes 0 to 9, each `[25, 2]`, kept on devices."""
    columns = zip(*(part for pair in SUB_POLICIES for part in pair), strict=True)
    names, probabilities, steps = (list(column) for column in columns)
    operation = torch.tensor([OPERATIONS.index(name) for name in names], device=device)
    probability = torch.tensor(probabilities, device=device)
    step = torch.tensor([0.0 if step is None else step for step in steps], device=device)
    return operation.view(-1, 2), probability.view(-1, 2), step.view(-1, 2)
