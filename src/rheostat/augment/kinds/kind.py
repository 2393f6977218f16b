"""What a kind of augmentation is: it chooses which operations are applied to an example, and how strongly."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rheostat.signals.stateful import Stateful


@dataclass(frozen=True)
class Choice:
    """What is applied to B examples: K operations each, one after another.

    Attributes:
        operation: `[B, K]` int64, operation ids, positions in `rheostat.augment.operations.OPERATIONS`.
        magnitude: `[B, K]` float32, in the operation's own signed unit.
        level: `[B, K]` float32 in [0, 1], the magnitude as a share of the range that the kind draws from; NaN for an
            operation without magnitude.
        arm: `[B, K]` int64, which arm of a learning kind was drawn; -1 = the kind has no arms.
        genotype: `[B]` int64, which member of a population drew; -1 = the kind has no population.
    """

    operation: Int[Tensor, "b k"]
    magnitude: Float[Tensor, "b k"]
    level: Float[Tensor, "b k"]
    arm: Int[Tensor, "b k"]
    genotype: Int[Tensor, " b"]

    def __len__(self) -> int:
        """The number of examples B."""
        return len(self.operation)

    def columns(self) -> dict[str, Tensor]:
        """The attributes by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


@runtime_checkable
class Kind(Protocol):
    """Chooses operations per example; reads no random state but the generator's."""

    def choose(self, difficulty: Float[Tensor, " b"], generator: torch.Generator) -> Choice:
        """Choose for B examples.

        Args:
            difficulty: `[B]` in [0, 1], 1 = hardest; NaN = not known yet.
            generator: Draws; on the device of `difficulty`.
        """
        ...


@runtime_checkable
class LearningKind(Kind, Stateful, Protocol):
    """A kind that is told what its choices were worth, and remembers it."""

    def reward(self, choice: Choice, difficulty: Float[Tensor, " b"], reward: Float[Tensor, " b"]) -> None:
        """Learn from B choices.

        Args:
            choice: What `choose` gave, or some rows of it.
            difficulty: `[B]`, what `choose` was given for them.
            reward: `[B]` in [0, 1], 1 = best; NaN = nothing is known of this choice, which is passed over.
        """
        ...


def context_of(difficulty: Float[Tensor, " b"], contexts: int) -> Int[Tensor, " b"]:
    """Cut difficulty into equal bins.

    An example whose difficulty is not known yet belongs to the middle: a context of its own would never learn, because
    what is rewarded is compared with a look at the plain example, and a look makes its difficulty known.

    Args:
        difficulty: `[B]` in [0, 1] or NaN.
        contexts: Number of bins, >= 1.

    Returns:
        `[B]` int64 in [0, contexts); higher = harder.
    """
    bins = (difficulty * contexts).nan_to_num(nan=contexts // 2)
    return bins.long().clamp(0, contexts - 1)


def joined(choices: Sequence[Choice]) -> Choice:
    """Concatenate at least one choice along the examples."""
    columns = [choice.columns() for choice in choices]
    return Choice(**{name: torch.cat([column[name] for column in columns]) for name in columns[0]})
