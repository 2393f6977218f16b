"""Importance weights for any policy: whoever was unlikely to be kept counts for those like it that were not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from rheostat.errors import SettingsError
from rheostat.select.policy import Candidates, Choice, Policy, Traits
from rheostat.signals.stateful import load_named_state, named_state


def inverse_probability(probability: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Weights mean(P) / P for each of the `[B]` probabilities above 0, and 0 elsewhere; the mean is of those above 0.

    The weights of the kept have 1 as their expectation, and the weighted sum of their gradients has that of all that
    can be kept, up to one factor per round (Horvitz and Thompson 1952). The unit of the probabilities does not matter.
    """
    possible = probability > 0
    mean = probability.sum() / possible.sum().clamp(min=1)
    weight = mean / probability
    return weight.where(possible & weight.isfinite(), 0)


@dataclass(frozen=True)
class Reweighted:
    """Keeps what another policy keeps, and weighs the loss of each kept example by 1 / P.

    The kept examples then stand for all of them, as long as each has a probability above 0: hard examples are seen
    more often, and count for less each time. That is for noisy labels, because an example with a wrong label has a
    high loss for ever. Where probabilities can come near 0 single weights are large: give the reference a floor.

    Args:
        reference: The policy that keeps.

    Raises:
        SettingsError: The reference gives weights itself.
    """

    reference: Policy

    def __post_init__(self) -> None:
        if self.reference.traits.reweights:
            raise SettingsError(
                f"reference is {self.reference!r}: it gives weights itself: use it as it is, or one that does not"
            )

    @property
    def traits(self) -> Traits:
        """As the reference's, but for the weights."""
        return replace(self.reference.traits, reweights=True)

    def choose(self, candidates: Candidates) -> Choice:
        """The reference's choice, weighted."""
        choice = self.reference.choose(candidates)
        return choice._replace(weight=inverse_probability(choice.probability))

    def state_dict(self) -> dict[str, Any]:
        """Kind and state of the reference."""
        return named_state(self.reference)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Hand the state to the reference.

        Raises:
            StateError: It is that of another kind of policy.
        """
        load_named_state(self.reference, state, "policy")
