"""What was augmented in an epoch, and how: counted on the device, read when it is over."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rheostat.augment.kinds.kind import Choice, context_of
from rheostat.augment.operations import OPERATIONS

CONTEXTS = ("easy", "middle", "hard", "unseen")
"""Thirds of difficulty, and the examples of which it is not known."""

_UNSEEN = len(CONTEXTS) - 1
_COUNT, _LEVEL, _LEVELS, _REWARD, _REWARDS = range(5)


class Tally:
    """Counts of one epoch.

    Args:
        device: Where they are counted.
    """

    def __init__(self, device: torch.device) -> None:
        self._examples = torch.zeros(len(CONTEXTS), 2, device=device)  # offered, augmented
        self._operations = torch.zeros(len(CONTEXTS) * len(OPERATIONS), 5, device=device)

    def add(self, difficulty: Float[Tensor, " b"], augmented: Bool[Tensor, " b"]) -> None:
        """Count `[B]` examples that were offered, some of which are augmented."""
        self._examples.index_add_(
            0, _context(difficulty), torch.stack([torch.ones_like(difficulty), augmented.float()], dim=1)
        )

    def add_choice(self, choice: Choice, difficulty: Float[Tensor, " m"]) -> None:
        """Count the operations of the `[M]` augmented ones."""
        known = ~choice.level.isnan()
        values = torch.stack([torch.ones_like(choice.level), choice.level.nan_to_num(nan=0.0), known.float()], dim=-1)
        self._operations[:, _COUNT : _LEVELS + 1].index_add_(0, _place(choice, difficulty), values.flatten(0, 1))

    def add_reward(self, choice: Choice, difficulty: Float[Tensor, " m"], reward: Float[Tensor, " m"]) -> None:
        """Count the rewards `[M]` of augmented ones, NaN = none."""
        values = torch.stack([reward.nan_to_num(nan=0.0), (~reward.isnan()).float()], dim=-1)
        values = values[:, None].expand(-1, choice.operation.shape[1], -1)
        self._operations[:, _REWARD:].index_add_(0, _place(choice, difficulty), values.flatten(0, 1))

    def record(self) -> dict[str, Any]:
        """Counts, shares and means as plain numbers.

        Returns:
            `examples`, `augmented`, `share`; `operations`: of each one applied, `count`, `level` (mean, in [0, 1]) and
            `reward` (mean, in [0, 1]), None where there is none; `contexts`: of each of `CONTEXTS`, `examples`,
            `augmented`, and `operations` by count.
        """
        examples = self._examples.round().long().tolist()
        table = self._operations.double().view(len(CONTEXTS), len(OPERATIONS), -1)
        total = table.sum(dim=0).tolist()
        offered, augmented = (sum(column) for column in zip(*examples, strict=True))
        return {
            "examples": offered,
            "augmented": augmented,
            "share": augmented / offered if offered else None,
            "operations": {
                name: {
                    "count": round(row[_COUNT]),
                    "level": _mean(row[_LEVEL], row[_LEVELS]),
                    "reward": _mean(row[_REWARD], row[_REWARDS]),
                }
                for name, row in zip(OPERATIONS, total, strict=True)
                if row[_COUNT]
            },
            "contexts": {
                context: {
                    "examples": offered,
                    "augmented": augmented,
                    "operations": {name: round(count) for name, count in zip(OPERATIONS, counts, strict=True) if count},
                }
                for context, (offered, augmented), counts in zip(
                    CONTEXTS, examples, table[..., _COUNT].tolist(), strict=True
                )
            },
        }

    def state_dict(self) -> dict[str, Any]:
        """The counts."""
        return {"examples": self._examples.clone(), "operations": self._operations.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from saved counts."""
        self._examples.copy_(state["examples"])
        self._operations.copy_(state["operations"])


def _context(difficulty: Tensor) -> Int[Tensor, " b"]:
    return torch.where(difficulty.isnan(), _UNSEEN, context_of(difficulty, _UNSEEN))


def _place(choice: Choice, difficulty: Tensor) -> Tensor:
    return (_context(difficulty)[:, None] * len(OPERATIONS) + choice.operation).flatten()


def _mean(total: float, number: float) -> float | None:
    return total / number if number else None
