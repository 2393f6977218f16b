"""A bandit chooses the arm of every example in the context of its difficulty."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rheostat.augment.arms import USUAL_BINS, Arms
from rheostat.augment.kinds.kind import Choice, context_of
from rheostat.augment.operations import OPERATIONS
from rheostat.errors import SettingsError, StateError


def thompson(
    gained: Float[Tensor, "contexts arms"],
    lost: Float[Tensor, "contexts arms"],
    context: Int[Tensor, " b"],
    generator: torch.Generator,
) -> Int[Tensor, " b"]:
    """Draw an arm for each example with the probability that it is the best one of its context.

    An arm's worth has the posterior Beta(1 + gained, 1 + lost). It is drawn from the normal of the same mean and
    variance: a normal comes from the caller's generator on every device, which torch's Beta does not. The two differ
    where an arm has hardly been drawn, and there by little: a test holds the wins of each arm to 0.035 of the Beta's.
    Every example has a draw of its own: one draw for the whole batch would give all its examples of a context the same
    operation.

    Args:
        gained: `[contexts, arms]` >= 0, sum of rewards.
        lost: `[contexts, arms]` >= 0, sum of 1 - reward.
        context: `[B]` int64 in [0, contexts).
        generator: Draws `[B, arms]` normals.

    Returns:
        `[B]` int64 in [0, arms).

    Source:
        Thompson (1933); Agrawal and Goyal, "Further Optimal Regret Bounds for Thompson Sampling", arXiv:1209.3353,
        algorithm 1 (Beta); its algorithm 2 draws from normals too, wider ones.
    """
    won, missed = 1 + gained, 1 + lost
    total = won + missed
    mean, deviation = won / total, (won * missed / (total.square() * (total + 1))).sqrt()
    noise = torch.randn(len(context), gained.shape[1], generator=generator, device=context.device)
    return torch.addcmul(mean[context], deviation[context], noise).argmax(dim=1)


def discounted(
    gained: Float[Tensor, "contexts arms"],
    lost: Float[Tensor, "contexts arms"],
    context: Int[Tensor, " b"],
    arm: Int[Tensor, " b"],
    reward: Float[Tensor, " b"],
    memory: float,
) -> tuple[Float[Tensor, "contexts arms"], Float[Tensor, "contexts arms"]]:
    """Add a batch of rewards and let older ones of the same contexts fade.

    Each reward multiplies all that its context knew by 1 - 1/memory, so a context never knows more than `memory`
    rewards. Those of one batch count alike, and together as much as they would one after another.

    Args:
        gained: `[contexts, arms]`, sum of rewards so far.
        lost: `[contexts, arms]`, sum of 1 - reward so far.
        context: `[B]` int64.
        arm: `[B]` int64.
        reward: `[B]` in [0, 1]; NaN adds nothing.
        memory: Rewards that a context knows in the long run, > 1.

    Returns:
        The two sums `[contexts, arms]` after the batch.

    Source:
        Raj and Kalyani, "Taming Non-stationary Bandits", arXiv:1707.09727, algorithm 1 (discounted Thompson sampling).
    """
    contexts, arms = gained.shape
    known = (~reward.isnan()).to(reward.dtype)
    reward, place = reward.nan_to_num(nan=0.0), context * arms + arm
    won = gained.new_zeros(contexts * arms).index_add(0, place, reward).view(contexts, arms)
    pulled = gained.new_zeros(contexts * arms).index_add(0, place, known).view(contexts, arms)
    number = pulled.sum(dim=1, keepdim=True)
    fade = number * math.log1p(-1 / memory)  # the logarithm of what is left of the past
    weight = -torch.expm1(fade) * memory / number.clamp(min=1)
    return gained * fade.exp() + weight * won, lost * fade.exp() + weight * (pulled - won)


@dataclass(eq=False)
class Bandit:
    """Learns which arm pays for examples of which difficulty, and forgets what was long ago.

    Args:
        contexts: Number of equal bins of difficulty, >= 1; an example of unknown difficulty counts as of the middle.
        bins: Magnitude bins of each operation, >= 1.
        floor: Share of the choices that is drawn uniformly over all arms, in [0, 1], so that no arm dies out.
        memory: Number of rewards that a context remembers, > 1. Too short a memory never tells fifty arms apart; one
            longer than the training hardly follows a change.
        operations: Names that the arms are made of.

    Raises:
        SettingsError: An option is outside its range.

    Source:
        DESIGN section 4. Rules: `thompson`, `discounted`.
    """

    contexts: int = 3
    bins: int = USUAL_BINS
    floor: float = 0.1
    memory: float = 20_000.0
    operations: tuple[str, ...] = OPERATIONS
    arms: Arms = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.contexts < 1:
            raise SettingsError(f"contexts is {self.contexts}: at least 1 is needed; 3 is usual")
        if not 0 <= self.floor <= 1:
            raise SettingsError(f"floor is {self.floor}: the share of uniform draws must lie in [0, 1], e.g. floor=0.1")
        if not (self.memory > 1 and math.isfinite(self.memory)):
            raise SettingsError(
                f"memory is {self.memory}: it must be above 1 and finite, the rewards a context remembers, e.g. 20000"
            )
        self.arms = Arms(self.operations, self.bins)
        self._gained = torch.zeros(self.contexts, len(self.arms))
        self._lost = torch.zeros_like(self._gained)

    def choose(self, difficulty: Float[Tensor, " b"], generator: torch.Generator) -> Choice:
        """Choose one arm for each of the `[B]` examples."""
        self._move_to(difficulty.device)
        drawn = thompson(self._gained, self._lost, context_of(difficulty, self.contexts), generator)
        uniform = torch.randint(0, len(self.arms), drawn.shape, generator=generator, device=drawn.device)
        free = torch.rand(len(drawn), generator=generator, device=drawn.device) < self.floor
        arm = torch.where(free, uniform, drawn)
        operation, magnitude, level = self.arms.draw(arm, generator)
        return Choice(operation[:, None], magnitude[:, None], level[:, None], arm[:, None], torch.full_like(arm, -1))

    def reward(self, choice: Choice, difficulty: Float[Tensor, " b"], reward: Float[Tensor, " b"]) -> None:
        """Learn from the rewards `[B]` in [0, 1], NaN = none, of arms that `choose` drew."""
        self._move_to(reward.device)
        context = context_of(difficulty, self.contexts)
        self._gained, self._lost = discounted(
            self._gained, self._lost, context, choice.arm[:, 0], reward.float(), self.memory
        )

    @property
    def worth(self) -> Float[Tensor, "contexts arms"]:
        """Posterior mean of every arm's reward, `[contexts, A]` in (0, 1), named by `arms.names`."""
        return (1 + self._gained) / (2 + self._gained + self._lost)

    def state_dict(self) -> dict[str, Any]:
        """The arms, and what is known of them."""
        return {"arms": list(self.arms.names), "gained": self._gained.clone(), "lost": self._lost.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            StateError: It was saved of other arms or another number of contexts.
        """
        if tuple(state["arms"]) != self.arms.names or state["gained"].shape != self._gained.shape:
            raise StateError(
                f"the saved bandit has {len(state['gained'])} contexts of {len(state['arms'])} arms and this one "
                f"{self.contexts} of {len(self.arms)}, or they differ by name: build it with the same contexts, bins "
                "and operations"
            )
        self._gained, self._lost = state["gained"].clone(), state["lost"].clone()

    def _move_to(self, device: torch.device) -> None:
        self._gained, self._lost = self._gained.to(device), self._lost.to(device)
