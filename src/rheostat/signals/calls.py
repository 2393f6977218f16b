"""Calls that observe a batch each, dealt with several at a time.

An operation that comes between those of a training step costs several times what it costs after its like, because the
processor has to find its way back to it. So a call only copies what it is given, and every sixteenth works on all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from rheostat.signals.looks import look_at
from rheostat.signals.repeats import last_only

_AT_ONCE = 16
_LOGITS_AT_ONCE = 2**20  # with more than that, the cost is not in the number of operations


class Call(NamedTuple):
    """What one call was given.

    Attributes:
        examples: `[B]` int64, the data set indices.
        logits: `[B, C]`.
        targets: `[B]` or `[B, C]`.
        epoch: When.
        plain: `[B]` bool, the rows to look at; None = all.
    """

    examples: Tensor
    logits: Tensor
    targets: Tensor
    epoch: int
    plain: Tensor | None

    def copied_to(self, device: torch.device) -> Call:
        """A copy, for what is given may be a buffer that the next step writes into."""
        at_once = device.type != "cpu"  # what comes to the host is there only after a synchronisation
        return Call(
            self.examples.to(device, torch.long, copy=True, non_blocking=at_once),
            self.logits.detach().to(device, copy=True, non_blocking=at_once),
            self.targets.to(device, copy=True, non_blocking=at_once),
            self.epoch,
            None if self.plain is None else self.plain.to(device, copy=True, non_blocking=at_once),
        )

    def like(self, other: Call) -> bool:
        """Whether the two can be dealt with at once."""
        return (
            self.epoch == other.epoch
            and self.logits.shape[1] == other.logits.shape[1]
            and self.targets.ndim == other.targets.ndim
            and (self.plain is None) == (other.plain is None)
        )


class Looks(NamedTuple):
    """The looks of one call.

    Attributes:
        examples: `[B]` int64; `nowhere` where there is nothing to remember, else each but once.
        rows: `[B, K]`, what `look_at` gives.
        epoch: When.
    """

    examples: Tensor
    rows: Tensor
    epoch: int


def enough(calls: list[Call]) -> bool:
    """Whether there are as many calls as should be dealt with at once."""
    return len(calls) >= _AT_ONCE or len(calls) * calls[0].logits.numel() >= _LOGITS_AT_ONCE


def looks_of(calls: list[Call], nowhere: int) -> tuple[Iterator[Looks], Tensor]:
    """The looks of calls that are alike, and how many observations `[]` were flawed, without a host synchronisation."""
    examples = torch.cat([call.examples for call in calls])
    targets = torch.cat([call.targets for call in calls])
    plain = [call.plain for call in calls if call.plain is not None]
    rows, sound = look_at(torch.cat([call.logits for call in calls]), targets, calls[0].epoch)
    flawed = left_out = ~sound
    if plain:
        looked_at = torch.cat(plain)
        flawed, left_out = flawed & looked_at, left_out | ~looked_at
    examples = examples.masked_fill(left_out, nowhere)
    sizes = [len(call.examples) for call in calls]
    by_call = zip(examples.split(sizes), rows.split(sizes), strict=True)
    return (Looks(last_only(some, nowhere), their, calls[0].epoch) for some, their in by_call), flawed.count_nonzero()
