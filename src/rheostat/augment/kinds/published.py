"""The published kinds that learn nothing: one operation at random, or a number of them at one level."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rheostat.augment.arms import operation_ids, with_magnitude
from rheostat.augment.kinds.kind import Choice
from rheostat.augment.kinds.ranges import published_magnitude
from rheostat.errors import SettingsError

PUBLISHED_OPERATIONS = (
    "identity",
    "shear-x",
    "shear-y",
    "translate-x",
    "translate-y",
    "rotate",
    "auto-contrast",
    "equalize",
    "posterize",
    "solarize",
    "color",
    "contrast",
    "brightness",
    "sharpness",
)
"""The 14 operations that TrivialAugment and RandAugment share."""


@dataclass(frozen=True)
class BaseOnly:
    """No operation: an augmented example gets the transforms of the caller's own, such as crop and flip, no more."""

    def choose(self, difficulty: Float[Tensor, " b"], generator: torch.Generator) -> Choice:
        """Choose nothing for each of the `[B]` examples."""
        del generator
        nothing = difficulty.new_empty(len(difficulty), 0)
        none = torch.empty_like(nothing, dtype=torch.int64)
        member = torch.full((len(difficulty),), -1, dtype=torch.int64, device=difficulty.device)
        return Choice(none, nothing, nothing, none, member)


@dataclass(frozen=True)
class TrivialAugment:
    """One operation for each example, at a random level.

    The operation is drawn uniformly and so is the level over its whole range; where the published method draws one of
    31 levels, it is continuous here.

    Args:
        operations: Names to draw from.

    Raises:
        SettingsError: An operation is unknown, there is none, or one comes twice.

    Source:
        Müller and Hutter, "TrivialAugment", arXiv:2103.10158, section 3, with its "wide" ranges.
    """

    operations: tuple[str, ...] = PUBLISHED_OPERATIONS

    def __post_init__(self) -> None:
        operation_ids(self.operations)

    def choose(self, difficulty: Float[Tensor, " b"], generator: torch.Generator) -> Choice:
        """Choose one operation for each of the `[B]` examples; their difficulty is not looked at."""
        level = torch.rand(len(difficulty), 1, generator=generator, device=difficulty.device)
        operation = _any_of(self.operations, level, generator)
        return _choice(operation, *with_magnitude(operation, level, generator))


@dataclass(frozen=True)
class RandAugment:
    """A number of operations for each example, drawn uniformly with replacement, all at the same level.

    Args:
        number: Operations per example, >= 1.
        level: Their common level in [0, 1] of the published ranges, which are narrower than TrivialAugment's; 0.3 is 9
            of torchvision's 30.
        operations: Names to draw from.

    Raises:
        SettingsError: `number` or `level` is outside its range; an operation is unknown, there is none, or one comes
            twice.

    Source:
        Cubuk et al., "RandAugment", arXiv:1909.13719, section 3 and figure 2.
    """

    number: int = 2
    level: float = 0.3
    operations: tuple[str, ...] = PUBLISHED_OPERATIONS

    def __post_init__(self) -> None:
        operation_ids(self.operations)
        if self.number < 1:
            raise SettingsError(f"number is {self.number}: at least 1 operation must be applied; 2 is usual")
        if not 0 <= self.level <= 1 or math.isnan(self.level):
            raise SettingsError(f"level is {self.level}: it must lie in [0, 1], e.g. level=0.3")

    def choose(self, difficulty: Float[Tensor, " b"], generator: torch.Generator) -> Choice:
        """Choose `number` operations for each of the `[B]` examples; their difficulty is not looked at."""
        level = torch.full((len(difficulty), self.number), self.level, device=difficulty.device)
        operation = _any_of(self.operations, level, generator)
        sign = 2 * torch.randint(0, 2, operation.shape, generator=generator, device=operation.device) - 1
        return _choice(operation, *published_magnitude(operation, level, sign))


def _any_of(operations: tuple[str, ...], like: Float[Tensor, "b k"], generator: torch.Generator) -> Int[Tensor, "b k"]:
    ids = torch.tensor(operation_ids(operations), device=like.device)
    return ids[torch.randint(0, len(ids), like.shape, generator=generator, device=like.device)]


def _choice(operation: Int[Tensor, "b k"], magnitude: Float[Tensor, "b k"], level: Float[Tensor, "b k"]) -> Choice:
    """A choice of a kind without arms."""
    arm = torch.full_like(operation, -1)
    return Choice(operation, magnitude, level, arm, arm[:, 0])
