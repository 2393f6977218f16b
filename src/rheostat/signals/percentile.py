"""Where a score stands among the recent ones."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rheostat.errors import SettingsError, StateError


def mid_rank(values: Float[Tensor, " b"], ordered: Float[Tensor, " h"]) -> Float[Tensor, " b"]:
    """Share of `ordered` below each value, ties counted half (the empirical CDF at its mid-point).

    Args:
        values: `[B]`.
        ordered: `[H]`, ascending, H >= 1.

    Returns:
        `[B]` in [0, 1]; 1 = above all of them. A value equal to all of them has 0.5.
    """
    below = torch.searchsorted(ordered, values.contiguous(), right=False)
    up_to = torch.searchsorted(ordered, values.contiguous(), right=True)
    return (below + up_to).to(values.dtype) / (2 * len(ordered))


class RollingPercentile:
    """Percentile of scores within the last `size` of them.

    The window is a ring buffer on the device of the scores; nothing is copied to the host.

    Args:
        size: Number of recent scores to compare with, >= 1.

    Raises:
        SettingsError: `size` is below 1.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise SettingsError(f"history is {size}: it must be at least 1 score; 1024 is usual")
        self.size = size
        self._ring: Tensor | None = None  # [size], in order of arrival modulo size
        self._seen = 0  # how many scores have ever been added

    def __len__(self) -> int:
        """How many scores the window holds now, at most `size`."""
        return min(self._seen, self.size)

    def add(self, scores: Float[Tensor, " b"]) -> None:
        """Put `[B]` scores into the window; the oldest fall out."""
        if self._ring is None:
            self._ring = torch.zeros(self.size, dtype=torch.float32, device=scores.device)
        self._ring = self._ring.to(scores.device)
        newest = scores.detach().float()[-self.size :]
        start = (self._seen + len(scores) - len(newest)) % self.size
        head = newest[: self.size - start]
        self._ring[start : start + len(head)] = head
        self._ring[: len(newest) - len(head)] = newest[len(head) :]
        self._seen += len(scores)

    def of(self, scores: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Percentile `[B]` in [0, 1] of each score among those in the window.

        Raises:
            StateError: The window is still empty.
        """
        if len(scores) == 0:
            return scores.float()
        if self._ring is None or len(self) == 0:
            raise StateError("the window holds no score yet: call add() before of()")
        ordered = self._ring.to(scores.device)[: len(self)].sort().values
        return mid_rank(scores.float(), ordered)

    def state_dict(self) -> dict[str, Any]:
        """Window and position, so that a resumed run ranks as the uninterrupted one does."""
        ring = None if self._ring is None else self._ring.clone()
        return {"size": self.size, "seen": self._seen, "ring": ring}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a window saved by `state_dict`.

        Raises:
            StateError: The saved window has another size.
        """
        if state["size"] != self.size:
            raise StateError(
                f"the saved window holds {state['size']} scores and this one {self.size}: "
                f"build it with history={state['size']}"
            )
        self._seen = state["seen"]
        self._ring = None if state["ring"] is None else state["ring"].clone()
