"""Importance sampling: draw from a pool in proportion to the gradient norm, and weigh the loss so that it is unbiased.

Source: Katharopoulos and Fleuret, "Not All Samples Are Created Equal: Deep Learning with Importance Sampling",
arXiv:1803.00942, algorithm 1. The three forms are those that Jiang's thesis compares with in section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rheostat.errors import SettingsError
from rheostat.select.policy import Candidates, Choice, Traits
from rheostat.signals.scores import gradient_norm


def importance(score: Float[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """P = s / sum(s) and w = 1 / (B P) for each of the `[B]` scores (arXiv:1803.00942, algorithm 1).

    Over draws with probability P, the mean of w x gradient is the mean gradient of all B. Scores below 0 count as 0.

    Returns:
        `[B]` in [0, 1] that sum to 1, all alike if no score is above 0; and `[B]` >= 0, 0 for what is never drawn.
    """
    score = score.clamp(min=0)
    total, alike = score.sum(), 1 / max(len(score), 1)
    share = torch.where(total > 0, score / total, alike)
    weight = alike / share
    return share, weight.where(weight.isfinite(), 0)


@dataclass(frozen=True)
class Katharopoulos:
    """Draws `keep` out of each pool, with replacement, in proportion to a bound of the gradient's norm.

    The paper's estimate of when this pays is not part of it: see `SelectiveLoader(govern=True)`.

    Args:
        pool: Candidates that are scored together, >= 1. What is left at the end is drawn from in the same proportion.
        keep: How many of a pool are drawn, 1 to `pool`.
        reweight: Whether the loss is weighted so that its mean over the kept has that over the pool as its expectation
            (Kath18 in the thesis; False: Kath18-Biased).
        uniform: Whether any candidate is drawn alike, without a score (Kath18-Uniform): the control.

    Raises:
        SettingsError: `pool` is below 1, or `keep` is not a whole number from 1 to `pool`.
    """

    pool: int = 1024
    keep: float = 128
    reweight: bool = True
    uniform: bool = False

    def __post_init__(self) -> None:
        if self.pool < 1:
            raise SettingsError(f"pool is {self.pool}: there must be at least 1 candidate in it; the paper uses 1024")
        if not (1 <= self.keep <= self.pool and self.keep == int(self.keep)):
            raise SettingsError(
                f"keep is {self.keep}: how many are drawn of a pool must be a whole number from 1 to {self.pool}, "
                "e.g. keep=128 of pool=1024"
            )
        object.__setattr__(self, "keep", int(self.keep))  # flags and files of settings give it as 128.0

    @property
    def traits(self) -> Traits:
        """A pool at a time, scored by the gradient's norm unless the draws are uniform."""
        return Traits(
            needs_score=not self.uniform,
            pool=self.pool,
            score=gradient_norm,
            reweights=self.reweight and not self.uniform,
        )

    def choose(self, candidates: Candidates) -> Choice:
        """As many draws as the size of the round calls for, at least one."""
        size = len(candidates.score)
        draws = max(int(self.keep * size / self.pool + 0.5), 1) if size else 0
        if self.uniform:
            return Choice(torch.ones_like(candidates.score), draws=draws)
        share, weight = importance(candidates.score)
        return Choice(share, weight if self.reweight else None, draws)
