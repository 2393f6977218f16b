"""Kept examples, waiting until there are enough of them for a training batch."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rheostat.errors import DataError, StateError
from rheostat.select.scoring import targets_of
from rheostat.signals import batches
from rheostat.signals.batches import Batch, Column, Structure


@dataclass(frozen=True)
class Kept:
    """What is known of the examples of one training batch, in the order of the batch.

    Attributes:
        index: `[n]` int64, index in the data set.
        score: `[n]` float32, the score it was kept for; NaN = kept without being scored.
        weight: `[n]` float32, weight of its loss; 1 for policies that do not reweight.
        age: `[n]` int64 >= 0, training batches between its scoring and its own.
        targets: What the batch gave as targets, in either usual form; None where they cannot be told.
        looked: `[n]` bool, whether it went through a scoring forward in its own round; otherwise its score, if it has
            one, is remembered.
    """

    index: Tensor
    score: Tensor
    weight: Tensor
    age: Tensor
    targets: Any = None
    looked: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))

    def to(self, device: torch.device) -> Kept:
        """The same on another device, as after a file that was read to the host."""
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **moved)


class _Chunk(NamedTuple):
    """The examples kept in one round; `columns` ends with their index, score, weight and `looked`."""

    columns: list[Column]
    size: int
    born: int  # how many training batches had been yielded when they were scored

    def split(self, number: int) -> tuple[_Chunk, _Chunk]:
        head = batches.cut(self.columns, 0, number)
        tail = batches.cut(self.columns, number, self.size)
        return _Chunk(head, number, self.born), _Chunk(tail, self.size - number, self.born)


class Queue:
    """First in, first out; stays on the device that its examples are on, and never looks at a value."""

    def __init__(self) -> None:
        self._chunks: deque[_Chunk] = deque()
        self._structure: Structure | None = None
        self._size = 0

    def __len__(self) -> int:
        """How many examples wait."""
        return self._size

    def push(
        self,
        columns: list[Column],
        structure: Structure,
        index: Tensor,
        score: Tensor,
        weight: Tensor,
        looked: Tensor,
        *,
        born: int,
    ) -> None:
        """Append one round's kept examples.

        Raises:
            DataError: Their batch is structured otherwise than those before.
        """
        if len(index) == 0:
            return
        if self._size and structure != self._structure:
            raise DataError(
                "this batch is nested otherwise than the batch before it (other types or keys): "
                "examples of both cannot share a training batch"
            )
        self._structure = structure
        self._chunks.append(_Chunk([*columns, index, score, weight, looked], len(index), born))
        self._size += len(index)

    def pop(self, number: int, *, now: int) -> tuple[Batch, Kept]:
        """Remove the `number` oldest examples, `1 <= number <= len(self)`, as one batch.

        Examples that came in as one batch of just that size go out as the same tensors, uncopied.
        """
        assert self._structure is not None, "pop() needs a queue that holds `number` examples"
        taken: list[_Chunk] = []
        missing = number
        while missing:
            chunk = self._chunks.popleft()
            if chunk.size > missing:
                chunk, rest = chunk.split(missing)
                self._chunks.appendleft(rest)
            taken.append(chunk)
            missing -= chunk.size
        self._size -= number
        columns, index, score, weight, looked = _parts(batches.join([chunk.columns for chunk in taken]))
        ages = [torch.full((chunk.size,), now - chunk.born, device=index.device) for chunk in taken]
        age = ages[0] if len(ages) == 1 else torch.cat(ages)
        batch = batches.unflatten(columns, self._structure)
        return batch, Kept(index, score, weight, age, targets_of(batch), looked)

    def drop_older(self, max_age: int, *, now: int) -> int:
        """Remove examples scored more than `max_age` training batches ago; return how many."""
        dropped = 0
        while self._chunks and now - self._chunks[0].born > max_age:
            dropped += self._chunks.popleft().size
        self._size -= dropped
        return dropped

    def clear(self) -> int:
        """Remove all; return how many."""
        dropped = self._size
        self._chunks.clear()
        self._size = 0
        return dropped

    def state_dict(self) -> dict[str, Any]:
        """The waiting examples with their scores, as one batch, and when each chunk was born."""
        chunks = []
        for chunk in self._chunks:
            columns, *kept = _parts(chunk.columns)
            assert self._structure is not None
            chunks.append({"batch": batches.unflatten(columns, self._structure), "kept": kept, "born": chunk.born})
        return {"chunks": chunks}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Take over a saved queue, onto `device`."""
        if "chunks" not in state:
            raise StateError("this is not the state of a queue: it has no 'chunks'")
        self.clear()
        self._structure = None
        for chunk in state["chunks"]:
            columns, structure = batches.flatten(chunk["batch"])
            index, score, *rest = chunk["kept"]  # states of earlier versions have no more
            kept = [index, score, *(rest or (torch.ones_like(score), ~score.isnan()))]
            columns, *kept = _parts(batches.to_device([*columns, *kept], device))
            self.push(columns, structure, *kept, born=chunk["born"])


def _parts(columns: list[Column]) -> tuple[list[Column], Tensor, Tensor, Tensor, Tensor]:
    """The batch's own columns, and the index, score, weight and `looked` behind them."""
    index, score, weight, looked = (column for column in columns[-4:] if isinstance(column, Tensor))
    return columns[:-4], index, score, weight, looked
