"""The last score of every example, by its index in the data set."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rheostat.select.ranks import Ranks

_NEVER = -1


class LastScores:
    """A table on the scoring device: what each example's score was, and in which epoch.

    Grows to the largest index that it meets; that costs a host synchronisation where indices are on an accelerator, so
    give the size if it is known.

    Args:
        size: Number of examples, >= 0.
        device: Where the scores are.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        self._size_is_known = size > 0
        self._score = torch.full((size,), torch.nan, device=device)
        self._epoch = torch.full((size,), _NEVER, dtype=torch.int32, device=device)
        self._highest = torch.full((), -torch.inf, device=device)

    def __len__(self) -> int:
        """Number of examples that there is room for."""
        return len(self._score)

    def put(self, index: Int[Tensor, " b"], score: Float[Tensor, " b"], epoch: int) -> None:
        """Take `[B]` scores in."""
        self.reach(index)
        self._score.index_copy_(0, index, score.float())
        self._epoch.index_fill_(0, index, epoch)
        if len(index):
            self._highest = torch.fmax(self._highest, score.max())

    def of(self, index: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        """`[B]` last scores; an example without one counts as hard: it gets the highest that was ever seen, or 1."""
        self.reach(index)
        hard = torch.where(self._highest.isfinite(), self._highest, 1.0)
        return torch.where(self._epoch[index] > _NEVER, self._score[index], hard)

    def older(self, index: Int[Tensor, " b"], epoch: int) -> Bool[Tensor, " b"]:
        """`[B]`, which have no score of this epoch (from 0) or a later one."""
        self.reach(index)
        return self._epoch[index] < max(epoch, 0)

    def sample(self, number: int) -> Int[Tensor, " k"]:
        """`[K <= number]` indices, spread evenly over all examples; none before the first score."""
        every = max(1, -(-len(self) // number))
        return torch.arange(0, len(self) if self._highest.isfinite() else 0, every, device=self._score.device)

    def mean(self) -> Float[Tensor, ""]:
        """Mean of all last scores, a scalar; NaN before the first."""
        return self._score.nanmean()

    def reach(self, index: Int[Tensor, " b"]) -> None:
        """Make room for all of `[B]` indices >= 0."""
        if not len(index) or (self._size_is_known and index.device.type != "cpu"):
            return
        size = int(index.max()) + 1
        if size > len(self):
            self._grow(max(size, 2 * len(self)))

    def share(self, ranks: Ranks) -> None:
        """Give every process the latest score of each example that any process has; of equally late ones the first."""
        if ranks.alone:
            return
        size = max(count for (count,) in ranks.tell_all([len(self)]))
        self._grow(size)
        scores, epochs = ranks.stacked(self._score), ranks.stacked(self._epoch)
        latest = epochs.argmax(dim=0, keepdim=True)
        self._score = scores.gather(0, latest)[0]
        self._epoch = epochs.gather(0, latest)[0]
        self._highest = ranks.stacked(self._highest[None]).max()

    def state_dict(self) -> dict[str, Any]:
        """The table."""
        return {"score": self._score.clone(), "epoch": self._epoch.clone(), "highest": self._highest.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a table saved by `state_dict`."""
        device = self._score.device
        self._score, self._epoch = state["score"].to(device).clone(), state["epoch"].to(device).clone()
        self._highest = state["highest"].to(device).clone()

    def _grow(self, size: int) -> None:
        more = size - len(self)
        if more > 0:
            self._score = torch.cat([self._score, self._score.new_full((more,), torch.nan)])
            self._epoch = torch.cat([self._epoch, self._epoch.new_full((more,), _NEVER)])
