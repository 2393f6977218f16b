"""The baselines: keep everything, keep at random, keep at random as many as another policy would."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from rheostat.errors import SettingsError
from rheostat.select.policy import Candidates, Choice, Policy, Traits
from rheostat.signals.stateful import load_named_state, named_state


@dataclass(frozen=True)
class Uniform:
    """Keeps every candidate: the plain training loop, without a scoring forward."""

    traits = Traits(needs_score=False, keeps_all=True)

    def choose(self, candidates: Candidates) -> Choice:
        """All with probability 1."""
        return Choice(torch.ones_like(candidates.score))


@dataclass(frozen=True)
class Random:
    """Keeps every candidate with the same probability, without a scoring forward.

    Args:
        p: Probability of keeping, in (0, 1].

    Raises:
        SettingsError: `p` is outside (0, 1].
    """

    p: float = 0.5

    traits = Traits(needs_score=False)

    def __post_init__(self) -> None:
        if not 0 < self.p <= 1:
            raise SettingsError(f"p is {self.p}: the probability of keeping must lie in (0, 1], e.g. p=0.5")

    def choose(self, candidates: Candidates) -> Choice:
        """All with probability `p`."""
        return Choice(torch.full_like(candidates.score, self.p))


@dataclass(frozen=True)
class MatchedRandom:
    """Keeps as many candidates as another policy would, but any of them.

    The control for every claim about selection: the same cost, and no choice. Every candidate of a round gets the
    share of the round that the reference policy would keep, for the model as it is.

    Args:
        reference: The policy whose kept share is matched in every round.
    """

    reference: Policy

    @property
    def traits(self) -> Traits:
        """As the reference's, whose probabilities are averaged; whoever chooses at random has nothing to reweight."""
        return replace(self.reference.traits, keeps_all=False, reweights=False, excludes=False)

    def choose(self, candidates: Candidates) -> Choice:
        """All with the share of the round that the reference is expected to keep."""
        share = self.reference.choose(candidates).expected_share().clamp(max=1)
        return Choice(share.to(candidates.score.dtype).expand(len(candidates.score)))

    def state_dict(self) -> dict[str, Any]:
        """Kind and state of the reference."""
        return named_state(self.reference)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Hand the state to the reference.

        Raises:
            StateError: It is that of another kind of policy.
        """
        load_named_state(self.reference, state, "policy")
