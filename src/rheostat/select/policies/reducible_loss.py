"""RHO-LOSS: keep what is not yet learnt but can be.

Source: Mindermann et al., "Prioritized Training on Points that are Learnable, Worth Learning, and Not Yet Learnt",
arXiv:2206.07137, equation 3 and algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from rheostat.errors import DataError, SettingsError
from rheostat.select.policies.holdout import checked_losses, read_holdout
from rheostat.select.policies.top_k import top_share
from rheostat.select.policy import Candidates, Choice, Traits
from rheostat.signals.scores import cross_entropy


def reducible_loss(loss: Float[Tensor, " b"], irreducible: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Loss of the model minus that of one trained on other data, `[B]` in (-inf, inf) (arXiv:2206.07137, equation 3).

    High = not learnt, though it can be. A wrong label is lost on by both models, so it stays low.
    """
    return loss - irreducible


@dataclass(eq=False)
class ReducibleLoss:
    """Keeps the given share of every round whose loss is highest above the holdout loss.

    Args:
        holdout: `[N]`, the loss of every example of the data set under a model that was not trained on it, in nats (see
            `holdout_losses`); or a file of them (see `read_holdout`). NaN for examples that are never candidates.
        keep: Share kept of every round, in (0, 1]; the paper keeps 32 of 320.
        pool: Candidates that are seen together, >= 1; None = as many as come.

    Raises:
        SettingsError: `keep` or `pool` is outside its range.
        DataError: The losses cannot be read or are not one finite number per example.
    """

    holdout: Tensor | str | Path
    keep: float = 0.1
    pool: int | None = None
    _losses: Tensor = field(init=False)  # follows the indices to their device
    _checked_in: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise SettingsError(f"keep is {self.keep}: the kept share must lie in (0, 1]; 0.1 is the paper's value")
        if self.pool is not None and self.pool < 1:
            raise SettingsError(f"pool is {self.pool}: there must be at least 1 candidate in it; the paper uses 320")
        if isinstance(self.holdout, Tensor):
            self._losses = checked_losses(self.holdout, "holdout")
        else:
            self._losses = read_holdout(self.holdout)

    def __repr__(self) -> str:
        held = f"<{len(self._losses)} losses>" if isinstance(self.holdout, Tensor) else repr(str(self.holdout))
        return f"ReducibleLoss({held}, keep={self.keep}, pool={self.pool})"

    @property
    def traits(self) -> Traits:
        """A pool at a time, scored by the cross-entropy."""
        return Traits(pool=self.pool, score=cross_entropy, excludes=True)

    def choose(self, candidates: Candidates) -> Choice:
        """Probabilities of 0 or 1.

        Raises:
            DataError: A candidate has no holdout loss.
        """
        self._losses = self._losses.to(candidates.index.device)
        self._check(candidates)
        irreducible = self._losses[candidates.index].to(candidates.score)
        return Choice(top_share(reducible_loss(candidates.score, irreducible), self.keep))

    def _check(self, candidates: Candidates) -> None:
        # on an accelerator the look costs a synchronisation, so only the first epoch is looked at: all come by in it
        if self._checked_in is None:
            self._checked_in = candidates.epoch
        if candidates.index.device.type != "cpu" and candidates.epoch != self._checked_in:
            return
        beyond = candidates.index >= len(self._losses)
        without = beyond | self._losses[candidates.index.masked_fill(beyond, 0)].isnan()
        if without.any():
            raise DataError(
                f"example {int(candidates.index[without][0])} has no holdout loss among the {len(self._losses)} "
                "that are known: compute them with `holdout_losses` over the data that are trained on"
            )
