"""The baselines: keep everything, keep at random, keep at random as many as another policy would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rheostat.errors import SettingsError
from rheostat.select.policy import Candidates, Policy
from rheostat.signals.stateful import load_named_state, named_state


@dataclass(frozen=True)
class Uniform:
    """Keeps every candidate: the plain training loop, without a scoring forward."""

    needs_score = False
    keeps_all = True

    def keep_probability(self, candidates: Candidates) -> Tensor:
        """`[B]`, all 1."""
        return torch.ones_like(candidates.score)


@dataclass(frozen=True)
class Random:
    """Keeps every candidate with the same probability, without a scoring forward.

    Args:
        p: Probability of keeping, in (0, 1].

    Raises:
        SettingsError: `p` is outside (0, 1].
    """

    p: float = 0.5

    needs_score = False
    keeps_all = False

    def __post_init__(self) -> None:
        if not 0 < self.p <= 1:
            raise SettingsError(f"p is {self.p}: the probability of keeping must lie in (0, 1], e.g. p=0.5")

    def keep_probability(self, candidates: Candidates) -> Tensor:
        """`[B]`, all `p`."""
        return torch.full_like(candidates.score, self.p)


@dataclass(frozen=True)
class MatchedRandom:
    """Keeps as many candidates as another policy would, but any of them.

    The control for every claim about selection: the same cost, and no choice. Every candidate of a round gets the mean
    of the probabilities that the reference policy gives them, for the model as it is.

    Args:
        reference: The policy whose kept share is matched in every round.
    """

    reference: Policy

    keeps_all = False

    @property
    def needs_score(self) -> bool:
        """As the reference does: its probabilities are what is averaged."""
        return self.reference.needs_score

    def keep_probability(self, candidates: Candidates) -> Tensor:
        """`[B]`, all equal to the mean of the reference's probabilities."""
        probability = self.reference.keep_probability(candidates)
        if len(probability) == 0:
            return probability
        return probability.mean().clamp(max=1).expand(len(probability))

    def state_dict(self) -> dict[str, Any]:
        """Kind and state of the reference."""
        return named_state(self.reference)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Hand the state to the reference.

        Raises:
            StateError: It is that of another kind of policy.
        """
        load_named_state(self.reference, state, "policy")
