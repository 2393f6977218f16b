"""What a policy is: scores in, probabilities of keeping out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True)
class Candidates:
    """One round of candidates, as a policy sees it.

    Attributes:
        index: `[B]` int64, index of each example in the data set.
        score: `[B]` float32, higher = more to teach; NaN throughout where the policy does not need a score.
    """

    index: Tensor
    score: Tensor


@runtime_checkable
class Policy(Protocol):
    """Decides with which probability each candidate is kept.

    A policy reads no random state: the loader that owns the generator makes the draw. A policy that remembers
    something between rounds (a history of scores) has `state_dict` and `load_state_dict` besides.
    """

    @property
    def needs_score(self) -> bool:
        """Whether candidates must be scored first, which costs a forward pass each."""
        ...

    @property
    def keeps_all(self) -> bool:
        """Whether every candidate is always kept, so that nothing has to be drawn."""
        ...

    def keep_probability(self, candidates: Candidates) -> Tensor:
        """`[B]` float32 in [0, 1]: the probability of keeping each candidate, independently of the others."""
        ...
