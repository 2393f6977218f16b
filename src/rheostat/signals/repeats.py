"""Indices that come more than once, where each has to be dealt with once at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor


def last_only(index: Int[Tensor, " n"], nowhere: int) -> Int[Tensor, " n"]:
    """Put `nowhere` for all entries of `[N]` but the last of each value; no host synchronisation."""
    ordered, order = index.sort(stable=True)
    has_later = ordered[:-1] == ordered[1:]
    ordered[:-1].masked_fill_(has_later, nowhere)
    return torch.empty_like(index).scatter_(0, order, ordered)


def turns(index: Int[Tensor, " n"]) -> Iterator[Int[Tensor, " m"]]:
    """Split the positions of `[N]` into turns: the first of every value, the second of every value, and so on."""
    ordered, order = index.sort(stable=True)
    position = torch.arange(len(index), device=index.device)
    is_first = torch.cat([torch.ones_like(ordered[:1], dtype=torch.bool), ordered[1:] != ordered[:-1]])
    start = torch.where(is_first, position, 0).cummax(dim=0).values
    before = torch.empty_like(position).scatter_(0, order, position - start)  # how often the value has come before
    for turn in range(int(before.max()) + 1 if len(index) else 0):
        yield (before == turn).nonzero().squeeze(1)
