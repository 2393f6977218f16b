"""What a policy is: scores in, probabilities of keeping out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from rheostat.signals import Score, euclidean

Source = Literal["forward", "training"]
"""Where scores come from: a forward pass of their own, or the training pass that an example was last in."""


def _nothing() -> Tensor:
    return torch.empty(0)


@dataclass(frozen=True)
class Candidates:
    """One round of candidates, as a policy sees it.

    Attributes:
        index: `[B]` int64, index of each example in the data set.
        score: `[B]` float32, higher = more to teach; NaN throughout where the policy does not need a score.
            Where scores come from the training pass, an example that was never trained on has the highest score known.
        epoch: Epochs of candidates that are over.
        elsewhere: `[R]` float32, the scores of this round in the other processes; empty in a single one.
        typical: Scalar, the mean of the last scores of all examples that have one; None where they are not remembered.
    """

    index: Tensor
    score: Tensor
    epoch: int = 0
    elsewhere: Tensor = field(default_factory=_nothing)
    typical: Tensor | None = None


class Choice(NamedTuple):
    """What a policy says of one round.

    Attributes:
        probability: `[B]` float32 in [0, 1], of keeping each candidate, independently of the others; with `draws`,
            `[B]` float32 >= 0 in any unit, in proportion to which they are drawn.
        weight: `[B]` float32 >= 0, of the loss of each candidate if it is kept; None = 1 for all.
        draws: How many are drawn with replacement; None = each on its own.
    """

    probability: Tensor
    weight: Tensor | None = None
    draws: int | None = None

    def expected_share(self) -> Tensor:
        """Expected share of the round that is kept, a scalar in [0, 1]; 0 for an empty round."""
        size = max(len(self.probability), 1)
        if self.draws is not None:
            return torch.full((), min(self.draws / size, 1.0), device=self.probability.device)
        return self.probability.sum() / size


@dataclass(frozen=True)
class Traits:
    """What a policy needs, and what it gives.

    Attributes:
        needs_score: Whether candidates must have a score.
        keeps_all: Whether every candidate is always kept, so that nothing has to be drawn.
        pool: Number of candidates that must be seen together, >= 1; None = any.
        source: Where the scores come from, unless `Scoring` says otherwise.
        score: What is computed from the logits, unless `Scoring` says otherwise.
        reweights: Whether it gives weights other than 1, which the loss must heed.
        excludes: Whether an example of a low score is certain to be left out. By scores of the training pass it would
            be so for ever, so a governed loader takes none of those.
    """

    needs_score: bool = True
    keeps_all: bool = False
    pool: int | None = None
    source: Source = "forward"
    score: Score = euclidean
    reweights: bool = False
    excludes: bool = False


@runtime_checkable
class Policy(Protocol):
    """Decides with which probability each candidate is kept.

    A policy reads no random state: the loader that owns the generator makes the draw. A policy that remembers
    something between rounds (a history of scores) has `state_dict` and `load_state_dict` besides.
    """

    @property
    def traits(self) -> Traits:
        """What it needs, and what it gives."""
        ...

    def choose(self, candidates: Candidates) -> Choice:
        """Probabilities of keeping, and weights, of one round."""
        ...
