"""What has been seen of every example: one row per index of the data set."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rheostat.errors import SettingsError, StateError

_COLUMNS = {
    "score": (torch.float32, float("nan")),
    "epoch": (torch.int32, -1),
    "scored": (torch.int32, 0),
    "kept": (torch.int32, 0),
}


class ExampleLog:
    """Per-example memory, addressed by data set index.

    Columns, each `[size]` on the log's device:
        score: last score, NaN = never scored.
        epoch: epoch of the last score, -1 = never scored.
        scored: how often the example has been scored.
        kept: how often it has been trained on.

    Args:
        size: Number of examples of the data set, >= 1.
        device: Where the columns live; the device that scores is cheapest.

    Raises:
        SettingsError: `size` is below 1.
    """

    def __init__(self, size: int, device: torch.device | str = "cpu") -> None:
        if size < 1:
            raise SettingsError(f"size is {size}: a log needs at least one example")
        self.size = size
        self._columns = {
            name: torch.full((size,), empty, dtype=dtype, device=device) for name, (dtype, empty) in _COLUMNS.items()
        }

    @property
    def score(self) -> Float[Tensor, " size"]:
        """Last score of every example, NaN = never scored."""
        return self._columns["score"]

    @property
    def epoch(self) -> Int[Tensor, " size"]:
        """Epoch of the last score of every example, -1 = never scored."""
        return self._columns["epoch"]

    @property
    def scored(self) -> Int[Tensor, " size"]:
        """How often every example has been scored."""
        return self._columns["scored"]

    @property
    def kept(self) -> Int[Tensor, " size"]:
        """How often every example has been trained on."""
        return self._columns["kept"]

    def record_scores(self, index: Int[Tensor, " b"], scores: Float[Tensor, " b"], epoch: int) -> None:
        """Note the scores `[B]` that the examples at `index` `[B]` got in `epoch`."""
        index = self._placed(index)
        self.score[index] = scores.detach().to(self.score)
        self.epoch[index] = epoch
        self.scored.index_add_(0, index, torch.ones_like(index, dtype=torch.int32))

    def record_kept(self, index: Int[Tensor, " b"]) -> None:
        """Note that the examples at `index` `[B]` (repeats count) are trained on."""
        index = self._placed(index)
        self.kept.index_add_(0, index, torch.ones_like(index, dtype=torch.int32))

    def state_dict(self) -> dict[str, Any]:
        """All columns by name."""
        return {name: column.clone() for name, column in self._columns.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the columns of another log of the same size.

        Raises:
            StateError: The saved log has another size.
        """
        saved = len(state["score"])
        if saved != self.size:
            raise StateError(
                f"the saved log is of {saved} examples and this data set has {self.size}: "
                "resume with the data that the run was started with"
            )
        for name, column in self._columns.items():
            column.copy_(state[name])

    def _placed(self, index: Tensor) -> Tensor:
        return index.to(self.score.device, torch.long)
