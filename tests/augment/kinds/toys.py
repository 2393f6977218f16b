"""Simulated rewards: what an arm is worth, by context."""

import torch
from torch import Tensor

from rheostat.augment.kinds import LearningKind
from rheostat.augment.kinds.kind import context_of

BATCH = 512


def play(
    kind: LearningKind, worth: Tensor, rounds: int, generator: torch.Generator, known: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Let a kind choose, and reward each arm with the probability `worth [contexts, arms]`.

    Returns the contexts `[rounds * BATCH]` and the arms that were chosen in them. A share `known` of the choices is
    rewarded.
    """
    contexts, arms = [], []
    for _ in range(rounds):
        difficulty = torch.rand(BATCH, generator=generator)
        choice = kind.choose(difficulty, generator)
        context, arm = context_of(difficulty, len(worth)), choice.arm[:, 0]
        reward = (torch.rand(BATCH, generator=generator) < worth[context, arm]).float()
        reward[torch.rand(BATCH, generator=generator) >= known] = torch.nan
        kind.reward(choice, difficulty, reward)
        contexts.append(context)
        arms.append(arm)
    return torch.cat(contexts), torch.cat(arms)


def one_good_arm(contexts: int, arms: int, good: list[int], rest: float = 0.2, best: float = 0.6) -> Tensor:
    """Worth `[contexts, arms]`: `best` for one arm of each context, `rest` for the others."""
    worth = torch.full((contexts, arms), rest)
    worth[torch.arange(contexts), torch.tensor(good)] = best
    return worth
