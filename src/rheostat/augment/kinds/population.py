"""Genotypes, each a distribution over arms, tried side by side."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rheostat.augment.arms import Arms
from rheostat.augment.kinds.kind import Choice, context_of
from rheostat.errors import SettingsError, StateError

Genotypes = Float[Tensor, "members contexts arms"]
"""Logarithms of weights, any offset: a row's softmax is its distribution over arms."""


def probabilities_of(genotypes: Genotypes, floor: float) -> Genotypes:
    """Distributions over arms `[P, contexts, A]`: the softmax of each row, and `floor` of it spread evenly."""
    return (1 - floor) * genotypes.softmax(dim=-1) + floor / genotypes.shape[-1]


def drawn_from(probability: Float[Tensor, "b arms"], generator: torch.Generator) -> Int[Tensor, " b"]:
    """Draw one arm from each row, by inverting its cumulative distribution."""
    at = torch.rand(len(probability), 1, generator=generator, device=probability.device)
    return (probability.cumsum(dim=1) < at).sum(dim=1).clamp(max=probability.shape[1] - 1)


def best_of(genotypes: Genotypes, fitness: Float[Tensor, "members contexts"]) -> Float[Tensor, "contexts arms"]:
    """The fittest row of each context; of equally fit ones, and where none has a fitness (NaN), the first."""
    best = fitness.nan_to_num(nan=-torch.inf).argmax(dim=0)
    return genotypes[best, torch.arange(genotypes.shape[1], device=genotypes.device)]


class Population:
    """Members that draw for examples side by side, so that all meet the same state of training, and their rewards.

    Args:
        arms: What is drawn.
        floor: Share of each distribution that is spread evenly, in [0, 1].
        genotypes: `[P, contexts, A]`, a distribution over arms for each bin of difficulty.
    """

    def __init__(self, arms: Arms, floor: float, genotypes: Genotypes) -> None:
        self.arms = arms
        self.floor = floor
        self.replace(genotypes)

    def replace(self, genotypes: Genotypes) -> None:
        """Go on with other members; what is known of the present ones is dropped."""
        self.genotypes = genotypes
        self._gained = torch.zeros(genotypes.shape[:2], device=genotypes.device)
        self._number = torch.zeros_like(self._gained)

    def choose(self, difficulty: Float[Tensor, " b"], generator: torch.Generator) -> Choice:
        """Draw a member for each of the `[B]` examples, and an arm by its distribution."""
        self._move_to(difficulty.device)
        members, contexts, _ = self.genotypes.shape
        member = torch.randint(0, members, difficulty.shape, generator=generator, device=difficulty.device)
        probability = probabilities_of(self.genotypes, self.floor)[member, context_of(difficulty, contexts)]
        arm = drawn_from(probability, generator)
        operation, magnitude, level = self.arms.draw(arm, generator)
        return Choice(operation[:, None], magnitude[:, None], level[:, None], arm[:, None], member)

    def credit(self, choice: Choice, difficulty: Float[Tensor, " b"], reward: Float[Tensor, " b"]) -> None:
        """Note the rewards `[B]` in [0, 1], NaN = none, of what members drew."""
        self._move_to(reward.device)
        contexts = self.genotypes.shape[1]
        place = choice.genotype * contexts + context_of(difficulty, contexts)
        known = (~reward.isnan()).float()
        self._gained.view(-1).index_add_(0, place, reward.float().nan_to_num(nan=0.0))
        self._number.view(-1).index_add_(0, place, known)

    @property
    def rewarded(self) -> int:
        """How many rewards the present members have had; asks the device."""
        return int(self._number.sum().item())

    @property
    def fitness(self) -> Float[Tensor, "members contexts"]:
        """Mean reward `[P, contexts]` in [0, 1]; NaN = none yet."""
        return self._gained / self._number

    def state_dict(self) -> dict[str, Any]:
        """The members, their arms and their rewards."""
        return {
            "arms": list(self.arms.names),
            "genotypes": self.genotypes.clone(),
            "gained": self._gained.clone(),
            "number": self._number.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state; the number of members may differ.

        Raises:
            StateError: It was saved of other arms or another number of contexts.
        """
        saved, contexts = state["genotypes"], self.genotypes.shape[1]
        if tuple(state["arms"]) != self.arms.names or saved.shape[1] != contexts:
            raise StateError(
                f"the saved genotypes are of {saved.shape[1]} contexts and {saved.shape[2]} arms and these of "
                f"{contexts} and {len(self.arms)}, or the arms differ by name: build it with the same contexts, bins "
                "and operations"
            )
        self.replace(saved.clone())
        self._gained.copy_(state["gained"])
        self._number.copy_(state["number"])

    def _move_to(self, device: torch.device) -> None:
        self.genotypes = self.genotypes.to(device)
        self._gained, self._number = self._gained.to(device), self._number.to(device)


def check_population(contexts: int, floor: float, spread: float) -> None:
    """Refuse options that no population can have.

    Raises:
        SettingsError: One is outside its range.
    """
    if contexts < 1:
        raise SettingsError(f"contexts is {contexts}: at least 1 is needed; 1 is one genotype for all examples")
    if not 0 <= floor <= 1:
        raise SettingsError(f"floor is {floor}: the share that is spread evenly must lie in [0, 1], e.g. floor=0.1")
    if not 0 < spread < float("inf"):
        raise SettingsError(f"spread is {spread}: genotypes must differ, by a positive and finite spread, e.g. 1.0")
