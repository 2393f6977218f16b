"""Progressive Data Dropout: train on what is not yet learnt, and in the end once more on everything.

Source: Shriram M S et al., "Progressive Data Dropout: An Embarrassingly Simple Approach to Faster Training",
arXiv:2505.22342.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rheostat.errors import SettingsError
from rheostat.select.policy import Candidates, Choice, Traits
from rheostat.signals.scores import doubt


def below_threshold(score: Float[Tensor, " b"], threshold: float) -> Float[Tensor, " b"]:
    """1 for each of the `[B]` scores 1 - p with p < threshold, 0 for the rest (arXiv:2505.22342, difficulty-based)."""
    # both sides are rounded in the same way, so that p = threshold is not below it
    limit = 1 - torch.full((), threshold, dtype=score.dtype, device=score.device)
    return (score > limit).to(score.dtype)


@dataclass(frozen=True)
class ProgressiveDropout:
    """Keeps the examples whose class has a probability below a threshold, and all of them in the last epochs.

    This is the paper's DBPD. Its schedule-matched control, SMRD, is ``MatchedRandom(ProgressiveDropout(...))``, and its
    SRD is had with `decay`.

    Args:
        threshold: Probability of the given class below which an example is kept, in (0, 1]; 0.3 in the paper's code.
        epochs: Epochs of the run; None = unknown, and there is no revision.
        revision: Epochs at the end that keep everything, >= 0; the paper has one.
        decay: Keeps any example, in epoch t with the probability decay^t, in (0, 1], without a score and a threshold;
            None = by the threshold. The paper keeps exactly that share, here it is the expectation.

    Raises:
        SettingsError: An argument is outside its range.
    """

    threshold: float = 0.3
    epochs: int | None = None
    revision: int = 1
    decay: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise SettingsError(
                f"threshold is {self.threshold}: the probability of the class must lie in (0, 1]; the paper has 0.3"
            )
        if self.epochs is not None and self.epochs < 1:
            raise SettingsError(f"epochs is {self.epochs}: a run has at least 1; leave it out if it is not known")
        if self.revision < 0:
            raise SettingsError(f"revision is {self.revision}: it must be at least 0 epochs; the paper has 1")
        if self.decay is not None and not 0 < self.decay <= 1:
            raise SettingsError(
                f"decay is {self.decay}: what is kept of the epoch before's share must lie in (0, 1], e.g. 0.95"
            )

    @property
    def traits(self) -> Traits:
        """Scored by the doubt about the given class, unless examples are kept at random."""
        return Traits(needs_score=self.decay is None, score=doubt, excludes=self.decay is None)

    def choose(self, candidates: Candidates) -> Choice:
        """Probabilities of 0 or 1; with `decay` one for all."""
        if self.epochs is not None and candidates.epoch >= self.epochs - self.revision:
            return Choice(torch.ones_like(candidates.score))
        if self.decay is not None:
            return Choice(torch.full_like(candidates.score, self.decay**candidates.epoch))
        return Choice(below_threshold(candidates.score, self.threshold))
