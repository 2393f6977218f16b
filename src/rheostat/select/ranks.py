"""What the processes of a distributed run tell each other while they select."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rheostat.signals.shards import Shard


class Ranks:
    """The processes that train one model together, each on its own candidates.

    Everything here is collective: every process calls it at the same point. A single process pays nothing.

    Args:
        group: A torch.distributed group; None = the default one, if torch.distributed runs.
    """

    def __init__(self, group: Any = None) -> None:
        self._shard = Shard.of_group(group)
        self.rank, self.of, self.alone = self._shard.rank, self._shard.of, self._shard.alone

    def tell_all(self, numbers: Sequence[int]) -> list[list[int]]:
        """Every process's numbers, by rank; as many from each."""
        if self.alone:
            return [list(numbers)]
        return self.stacked(torch.tensor(numbers, dtype=torch.int64)).tolist()

    def mean(self, numbers: Sequence[float]) -> list[float]:
        """Mean over the processes of each number; one that is NaN somewhere is left out there."""
        if self.alone:
            return list(numbers)
        return self.stacked(torch.tensor(numbers, dtype=torch.float64)).nanmean(dim=0).tolist()

    def stacked(self, values: Tensor) -> Tensor:
        """`[of, ...]`: the tensors of all processes, which have one shape, on the device of this one's."""
        return self._shard.stacked(values)

    def elsewhere(self, values: Tensor) -> Tensor:
        """`[R]`: what the other processes gave, `[B]` each with a B of its own, in the order of their ranks."""
        if self.alone:
            return values[:0]
        sizes = [size for (size,) in self.tell_all([len(values)])]
        padded = values.new_zeros(max(sizes))
        padded[: len(values)] = values
        rows = self.stacked(padded)
        return torch.cat([rows[rank, :size] for rank, size in enumerate(sizes) if rank != self.rank])


def unwrapped(model: nn.Module) -> nn.Module:
    """The module within the wrappers that synchronise processes: scoring happens on as many batches as there are.

    A compiled module stays compiled, unless it was compiled around such a wrapper.
    """
    wrappers = (nn.parallel.DistributedDataParallel, nn.DataParallel)
    inner: Any = model
    compiled = getattr(model, "_orig_mod", None)
    if isinstance(compiled, wrappers):
        inner = compiled
    while isinstance(inner, wrappers):
        inner = inner.module
    return inner
