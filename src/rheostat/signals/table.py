"""The rows of an example log: one packed table, and the losses of each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Float16, Int, Shaped
from torch import Tensor

from rheostat.signals import looks

_AT = {name: at for at, name in enumerate((*looks.COLUMNS, "score", "epoch", "scored", "kept"))}
_FLOATS = {"entropy", "max_softmax", "energy", "margin", "loss", "p_given", "p_predicted", "score"}
_FROM_MINUS_1 = {"prediction", "last_epoch", "epoch"}  # the other whole numbers count from 0
_KNOWN_BY = dict.fromkeys(looks.COLUMNS, "looks") | {"score": "scored", "epoch": "scored"}
_LARGEST_HALF = torch.finfo(torch.float16).max


class Table:
    """Rows of per-example memory, addressed by their position.

    The columns lie in one table, because an observation costs by the number of operations and not by their size. Whole
    numbers in it are exact up to 2^24. The row behind the last, `nowhere`, takes what is not to be remembered.

    Args:
        rows: Number of rows R.
        memory: Number of looks that the label-free means reach back.
        device: Where the table lives.
    """

    def __init__(self, rows: int, memory: int, device: torch.device | str) -> None:
        self.nowhere = rows
        self.values = torch.zeros(rows + 1, len(_AT), device=device)
        self._looks = self.values[:, : len(looks.COLUMNS)]
        self._reach = looks.reach_of(memory, device)
        self._history: list[Tensor] = []  # of each epoch [R + 1]

    @property
    def epochs(self) -> int:
        """Number of epochs that there are losses of; a higher one makes room, without losses."""
        return len(self._history)

    @epochs.setter
    def epochs(self, epochs: int) -> None:
        while len(self._history) < epochs:
            self._history.append(self.values.new_full((self.nowhere + 1,), torch.nan, dtype=torch.float16))

    def take_looks(self, row: Int[Tensor, " b"], look: Float[Tensor, "b k"], epoch: int) -> None:
        """Take in one look at each of the rows, in which only `nowhere` may come twice."""
        self._looks.index_copy_(0, row, looks.after(self._looks.index_select(0, row), look, self._reach))
        self.epochs = max(self.epochs, epoch + 1)
        self._history[epoch].index_copy_(0, row, look[:, looks.LOSS].half())

    def take_scores(self, row: Int[Tensor, " b"], scores: Float[Tensor, " b"], epoch: int) -> None:
        """Take in the scores of the rows in an epoch."""
        self.values[:, _AT["score"]].index_copy_(0, row, scores)
        self.values[:, _AT["epoch"]].index_fill_(0, row, epoch)
        self.count("scored", row)

    def count(self, name: str, row: Int[Tensor, " b"]) -> None:
        """Add 1 to a column for every time that a row comes."""
        self.values[:, _AT[name]].index_add_(0, row, torch.ones_like(row, dtype=torch.float32))

    def column(self, name: str) -> Shaped[Tensor, " rows"]:
        """A copy of a column `[R]`: float32 or int32, `without(name)` where nothing is known."""
        known = self.values[:-1, _AT[_KNOWN_BY.get(name, name)]] > 0
        column = torch.where(known, self.values[:-1, _AT[name]], without(name))
        return column if name in _FLOATS else column.int()

    def history(self) -> Float16[Tensor, "epochs rows"]:
        """Loss of the last look in each epoch; NaN = there was none."""
        if not self._history:
            return self.values.new_empty((0, self.nowhere), dtype=torch.float16)
        return torch.stack(self._history)[:, :-1].clamp(max=_LARGEST_HALF)  # a larger loss became infinity

    def set_history(self, losses: Float16[Tensor, "epochs rows"]) -> None:
        """Put other losses in the place of all."""
        self._history = []
        self.epochs = len(losses)
        for mine, given in zip(self._history, losses, strict=True):
            mine[:-1] = given

    def state_dict(self) -> dict[str, Any]:
        """All columns and the history by name."""
        return {name: self.column(name) for name in _AT} | {"history": self.history()}

    def load_state_dict(self, state: Mapping[str, Any], rows: slice) -> None:
        """Take over the `rows` of the columns that are there; the others are emptied."""
        self.values.zero_()
        for name in _AT.keys() & state.keys():
            self.values[:-1, _AT[name]] = state[name][rows].to(self.values).nan_to_num()
        self._history = []
        if "history" in state:
            self.set_history(state["history"][:, rows].to(self.values.device))


def without(name: str) -> float:
    """What a column holds of an example that nothing is known of: NaN, -1 or 0."""
    return torch.nan if name in _FLOATS else -1 if name in _FROM_MINUS_1 else 0
