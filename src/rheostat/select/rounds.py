"""Rounds of candidates: what is scored and drawn together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor

from rheostat.errors import DataError
from rheostat.signals import batches
from rheostat.signals.batches import Batch, Column, Structure
from rheostat.signals.loaders import IndexedStream


class Rounds:
    """One epoch after another of rounds `(index [B] int64, batch)` of a given size, whatever batches the loader yields.

    Args:
        loader: Yields the candidates.
        size: Examples per round, >= 1; the last of an epoch may be smaller. None = a round is a batch of the loader.
    """

    def __init__(self, loader: Iterable[Batch], size: int | None) -> None:
        self._stream = IndexedStream(loader)
        self._size = size
        self._rest: tuple[list[Column], Structure] | None = None  # taken from the loader and not offered yet
        self.resumed = False  # whether the next epoch() is the rest of one
        self.count = 0  # rounds begun in the running epoch

    @property
    def examples(self) -> int:
        """Number of examples in the data set; 0 = not known."""
        return self._stream.examples

    def epoch(self) -> Iterator[tuple[Tensor, Batch]]:
        """Begin an epoch, or the rest of the one that `load_state_dict` brought; it runs until `finish()`."""
        if not self.resumed:
            self.count, self._rest = 0, None
        self.resumed = False
        stream = self._stream.epoch()
        return self._counted(stream if self._size is None else self._of_size(stream, self._size))

    def finish(self) -> None:
        """End the running epoch: all that it offered has been dealt with."""
        self._stream.finish()
        self.count, self._rest = 0, None

    def state_dict(self) -> dict[str, Any]:
        """Where the running epoch stands, with the candidates that were taken from the loader and not offered."""
        rest = None if self._rest is None else batches.unflatten(_owned(self._rest[0]), self._rest[1])
        return {**self._stream.state_dict(), "count": self.count, "rest": rest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next `epoch()` go on where `state` was taken."""
        self._stream.load_state_dict(state)
        self.count = state.get("count", state["rounds"])  # states of earlier versions have rounds of a batch each
        rest = state.get("rest")
        self._rest = None if rest is None else batches.flatten(rest)
        self.resumed = state["running"]

    def _counted(self, pairs: Iterator[tuple[Tensor, Batch]]) -> Iterator[tuple[Tensor, Batch]]:
        for pair in pairs:
            self.count += 1
            yield pair

    def _of_size(self, stream: Iterator[tuple[Tensor, Batch]], size: int) -> Iterator[tuple[Tensor, Batch]]:
        parts: list[list[Column]] = []
        structure: Structure | None = None
        have = 0
        if self._rest is not None:
            columns, structure = self._rest
            parts, have = [columns], batches.batch_size(columns)
        while True:
            while have < size:
                pair = next(stream, None)
                if pair is None:
                    break
                columns, found = batches.flatten(pair)
                if structure is not None and found != structure:
                    raise DataError(
                        "this batch is nested otherwise than the batch before it (other types or keys): "
                        "examples of both cannot share a round of scoring"
                    )
                structure = found
                parts.append(columns)
                have += batches.batch_size(columns)
            if not have:
                return
            assert structure is not None
            joined = batches.join(parts)
            number = min(size, have)
            have -= number
            parts = [batches.cut(joined, number, number + have)] if have else []
            self._rest = (parts[0], structure) if parts else None
            yield batches.unflatten(batches.cut(joined, 0, number) if have else joined, structure)


def _owned(columns: list[Column]) -> list[Column]:
    """Copies: of a slice, torch.save would write all that it was cut from."""
    return [column.clone() if isinstance(column, Tensor) else list(column) for column in columns]
