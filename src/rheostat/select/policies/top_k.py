"""Strict sorting: the highest scores of every round, and no others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rheostat.errors import SettingsError
from rheostat.select.policy import Candidates, Choice, Traits


def top_share(score: Float[Tensor, " b"], share: float) -> Float[Tensor, " b"]:
    """1 for the ceil(share x B) highest of the `[B]` scores, 0 for the rest; of equal scores the earlier wins."""
    number = math.ceil(share * len(score) * (1 - 1e-9))  # 0.07 * 100 is 7.000000000000001 and means 7
    best = score.argsort(descending=True, stable=True)[:number]
    return torch.zeros_like(score).index_fill_(0, best, 1.0)


@dataclass(frozen=True)
class TopK:
    """Keeps the given share of every round that scores highest.

    Deterministic, so easy examples are forgotten and mislabelled ones are dwelt on. A round is one batch of the
    wrapped loader, or as many candidates as `Scoring.batch_size` says.

    Args:
        keep: Share kept of every round, in (0, 1].

    Raises:
        SettingsError: `keep` is outside (0, 1].

    Source:
        Kawaguchi and Lu, "Ordered SGD", arXiv:1907.04371, algorithm 1: the highest losses of a mini-batch.
    """

    keep: float = 0.25

    traits = Traits(excludes=True)

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise SettingsError(f"keep is {self.keep}: the kept share must lie in (0, 1], e.g. keep=0.25")

    def choose(self, candidates: Candidates) -> Choice:
        """Probabilities of 0 or 1."""
        return Choice(top_share(candidates.score, self.keep))
