"""InfoBatch: leave out some of the easy examples, and let those of them that stay count for all.

Source: Qin et al., "InfoBatch: Lossless Training Speed Up by Unbiased Dynamic Data Pruning",
arXiv:2303.04947, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rheostat.errors import SettingsError
from rheostat.select.policy import Candidates, Choice, Traits
from rheostat.signals.scores import cross_entropy


def soft_pruning(
    score: Float[Tensor, " b"], mean: Float[Tensor, ""], drop: float
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """P = 1 - drop and w = 1 / (1 - drop) for each of the `[B]` scores below the mean, 1 and 1 for the rest.

    The rule of pruning and the rescaling of arXiv:2303.04947, section 2.2; P x w = 1, so the expected sum of gradients
    is that of all examples.
    """
    easy = score < mean
    return torch.where(easy, 1 - drop, torch.ones_like(score)), torch.where(
        easy, 1 / (1 - drop), torch.ones_like(score)
    )


@dataclass(frozen=True)
class PruneAndRescale:
    """Drops a share of the examples whose last loss is below the mean of all last losses, and rescales the others.

    The losses are those of the training pass, so scoring costs no forward; an example that was dropped keeps its last.
    The mean is `Candidates.typical`, or that of the round where last losses are not remembered.

    Args:
        drop: Probability of dropping an example below the mean, in [0, 1); the paper uses 0.5.
        epochs: Epochs of the run; None = unknown, and none is full.
        full: Share of the epochs, at the end, in which everything is kept with weight 1, in [0, 1]; the paper prunes in
            0.875 of them. It is rounded down to whole epochs.

    Raises:
        SettingsError: `drop`, `epochs` or `full` is outside its range.
    """

    drop: float = 0.5
    epochs: int | None = None
    full: float = 0.125

    traits = Traits(source="training", score=cross_entropy, reweights=True)

    def __post_init__(self) -> None:
        if not 0 <= self.drop < 1:
            raise SettingsError(
                f"drop is {self.drop}: the share of easy examples to drop must lie in [0, 1); 0.5 is the paper's value"
            )
        if self.epochs is not None and self.epochs < 1:
            raise SettingsError(f"epochs is {self.epochs}: a run has at least 1; leave it out if it is not known")
        if not 0 <= self.full <= 1:
            raise SettingsError(
                f"full is {self.full}: the share of the epochs that train on everything must lie in [0, 1]; 0.125 is "
                "the paper's value"
            )

    def choose(self, candidates: Candidates) -> Choice:
        """Probabilities of 1 - `drop` or 1, each with its inverse as the weight."""
        score = candidates.score
        mean = candidates.typical
        if mean is None:
            # in double precision, or the mean of equal scores may lie above them all
            mean = torch.cat((score, candidates.elsewhere.to(score))).double().mean()
        return Choice(*soft_pruning(score, mean.to(score), 0.0 if self._is_over(candidates.epoch) else self.drop))

    def _is_over(self, epoch: int) -> bool:
        if self.epochs is None:
            return False
        return epoch >= self.epochs - int(self.full * self.epochs * (1 + 1e-9))  # 0.29 * 100 is 28.999999999999996
