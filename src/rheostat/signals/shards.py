"""A log that several processes keep together: every row has one owner, who is sent what the others have seen.

Process `rank` of `of` owns the rows with `index % of == rank`. Between two exchanges each process collects what it
sees; at an exchange everything goes to its owner, in the order in which it was seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from jaxtyping import Float, Int, Shaped
from torch import Tensor


@dataclass(frozen=True)
class Shard:
    """Which rows are whose.

    Attributes:
        rank: This process, from 0.
        of: Number of processes, >= 1.
        group: The torch.distributed group that they form; None = the default one.
    """

    rank: int = 0
    of: int = 1
    group: Any = None

    @staticmethod
    def of_group(group: Any) -> Shard:
        """The shard of this process within `group`; None = within the default group, if torch.distributed runs."""
        if group is None and not (dist.is_available() and dist.is_initialized()):
            return Shard()
        return Shard(dist.get_rank(group), dist.get_world_size(group), group)

    @property
    def alone(self) -> bool:
        """Whether this process owns every row."""
        return self.of == 1

    def rows(self, size: int) -> int:
        """How many of `size` rows this process owns."""
        return len(range(self.rank, size, self.of))

    def stacked(self, values: Tensor) -> Tensor:
        """`[of, ...]`: the tensors of all processes, which have one shape, on the device of this one's; collective."""
        if self.alone:
            return values[None]
        wire = values.to(self.wire()).contiguous()
        received = [torch.empty_like(wire) for _ in range(self.of)]
        dist.all_gather(received, wire, group=self.group)
        return torch.stack(received).to(values.device)

    def wire(self) -> torch.device:
        """The device whose tensors the group can send: the host's where it can, for there is little to send."""
        return torch.device("cpu" if "cpu:" in dist.get_backend_config(self.group) else "cuda")


class Letters(NamedTuple):
    """Things seen of examples.

    Attributes:
        epoch: `[N]` int64, when.
        call: `[N]` int64, when within the epoch.
        example: `[N]` int64, of which index; below 0 = an empty letter, which is not sent.
        values: `[N, V]` float32, what was seen.
    """

    epoch: Tensor
    call: Tensor
    example: Tensor
    values: Tensor


class Outbox:
    """What this process has seen since the last exchange, by kind.

    Args:
        widths: Number of values V of each kind.
    """

    def __init__(self, widths: Mapping[str, int]) -> None:
        self._widths = dict(widths)
        self.clear()

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return any(self._waiting.values())

    def put(self, kind: str, index: Int[Tensor, " b"], values: Float[Tensor, "b v"], epoch: int) -> None:
        """Keep `[B, V]` values of the examples at `index` `[B]`, seen in `epoch`, for the next exchange."""
        call = self._calls[kind, epoch]
        self._calls[kind, epoch] += 1
        when = torch.full_like(index, epoch), torch.full_like(index, call)
        self._waiting[kind].append(Letters(*when, index, values))

    def exchange(self, shard: Shard) -> dict[str, Letters]:
        """Send everything to its owners, and return by kind what this process owns.

        Within an epoch it is in the order of the calls, and within those of the same number in that of the ranks. Every
        process of the group must call this; one that has seen nothing sends nothing.
        """
        wire = shard.wire()
        received = {kind: _delivered(self._packed(kind, wire), shard) for kind in self._widths}
        self.clear()
        return received

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting: dict[str, list[Letters]] = {kind: [] for kind in self._widths}
        self._calls: Counter[tuple[str, int]] = Counter()  # of each kind in each epoch

    def _packed(self, kind: str, wire: torch.device) -> Letters:
        no_number = torch.empty(0, dtype=torch.long)
        none = Letters(no_number, no_number, no_number, torch.empty(0, self._widths[kind]))
        columns = zip(*[*self._waiting[kind], none], strict=True)
        all_of_them = Letters(*(torch.cat([part.to(wire) for part in column]) for column in columns))
        written = all_of_them.example >= 0
        return Letters(*(column[written] for column in all_of_them))


def gathered(mine: Shaped[Tensor, "rows k"], size: int, shard: Shard) -> Shaped[Tensor, "size k"]:
    """All rows `[size, K]` in every process, out of the rows that each owns; every process must call it."""
    longest = Shard(0, shard.of).rows(size)
    padded = mine.new_zeros(longest, mine.shape[1])
    padded[: len(mine)] = mine
    return shard.stacked(padded).transpose(0, 1).flatten(0, 1)[:size]


def of_all(number: int, shard: Shard) -> list[int]:
    """The number that each process gives, in every process; every process must call it."""
    return shard.stacked(torch.tensor(number)).tolist()


def _delivered(letters: Letters, shard: Shard) -> Letters:
    owner = letters.example % shard.of
    by_owner = owner.argsort(stable=True)
    sizes = torch.bincount(owner, minlength=shard.of)
    coming = torch.empty_like(sizes)
    dist.all_to_all_single(coming, sizes, group=shard.group)
    outgoing, incoming = sizes.tolist(), coming.tolist()

    def sent(column: Tensor) -> Tensor:
        received = column.new_empty(sum(incoming), *column.shape[1:])
        dist.all_to_all_single(received, column[by_owner].contiguous(), incoming, outgoing, group=shard.group)
        return received

    received = Letters(*map(sent, letters))  # in the order of the ranks
    in_time = received.call.argsort(stable=True)
    return Letters(*(column[in_time] for column in received))
