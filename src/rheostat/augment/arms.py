"""Arms: an operation with a bin of its magnitudes, the unit that learning kinds choose between."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rheostat.augment.operations import HAS_MAGNITUDE, OPERATIONS, magnitude_at
from rheostat.errors import SettingsError, unknown_name

USUAL_BINS = 4

_WITHOUT_MAGNITUDE = frozenset(name for name, has in zip(OPERATIONS, HAS_MAGNITUDE.tolist(), strict=True) if not has)


class Arms:
    """All pairs of an operation and a bin of its magnitudes.

    The range of every operation that has a magnitude is cut into `bins` equal parts, from weakest to strongest; an
    operation without one is a single arm. Within an arm the level is drawn uniformly and the sign is a fair coin.

    Args:
        operations: Names out of `OPERATIONS`, each once.
        bins: Number of magnitude bins, >= 1.

    Raises:
        SettingsError: An operation is unknown, there is none, one comes twice, or `bins` is below 1.

    Attributes:
        names: `A` names, e.g. ``"rotate 0.25-0.5"`` (a bin of levels) or ``"equalize"``.
    """

    def __init__(self, operations: Sequence[str] = OPERATIONS, bins: int = USUAL_BINS) -> None:
        if bins < 1:
            raise SettingsError(f"bins is {bins}: the magnitudes must be cut into at least 1 bin; 4 is usual")
        rows: list[tuple[int, float, float]] = []
        names: list[str] = []
        for operation, name in zip(operation_ids(operations), operations, strict=True):
            cuts = 1 if name in _WITHOUT_MAGNITUDE else bins
            for cut in range(cuts):
                low, high = cut / cuts, (cut + 1) / cuts
                rows.append((operation, low, 1 / cuts))
                names.append(name if name in _WITHOUT_MAGNITUDE else f"{name} {low:.2g}-{high:.2g}")
        self.names = tuple(names)
        self._rows = rows
        self._tables: dict[torch.device, tuple[Tensor, Tensor, Tensor]] = {}

    def __len__(self) -> int:
        """The number of arms A."""
        return len(self._rows)

    def draw(
        self, arm: Int[Tensor, " b"], generator: torch.Generator
    ) -> tuple[Int[Tensor, " b"], Float[Tensor, " b"], Float[Tensor, " b"]]:
        """Draw an operation with its magnitude and level out of each arm.

        Returns:
            Operation ids `[B]` int64; magnitudes `[B]` float32 in the operation's unit; levels `[B]` float32 in [0, 1],
            NaN for an operation without magnitude.
        """
        operations, low, width = self._on(arm.device)
        operation = operations[arm]
        level = low[arm] + width[arm] * torch.rand(len(arm), generator=generator, device=arm.device)
        return operation, *with_magnitude(operation, level, generator)

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        if device not in self._tables:
            operation, low, width = zip(*self._rows, strict=True)
            self._tables[device] = (
                torch.tensor(operation, device=device),
                torch.tensor(low, device=device),
                torch.tensor(width, device=device),
            )
        return self._tables[device]


def with_magnitude(
    operation: Int[Tensor, "*b"], level: Float[Tensor, "*b"], generator: torch.Generator
) -> tuple[Float[Tensor, "*b"], Float[Tensor, "*b"]]:
    """Turn levels into magnitudes of a random sign.

    Args:
        operation: Ids, of any shape.
        level: In [0, 1], of the same shape.
        generator: Draws the signs, also where the operation has none.

    Returns:
        Magnitudes in the operation's unit, and the levels, NaN for an operation without magnitude; of the same shape.
    """
    sign = 2 * torch.randint(0, 2, operation.shape, generator=generator, device=operation.device) - 1
    return magnitude_at(operation, level, sign), level.masked_fill(
        _means_nothing(operation.device)[operation], torch.nan
    )


@functools.cache
def _means_nothing(device: torch.device) -> Bool[Tensor, " operations"]:
    """Whether the level of an operation means nothing, kept on each device where it is asked for."""
    return ~HAS_MAGNITUDE.to(device)


def operation_ids(names: Sequence[str]) -> list[int]:
    """Ids of operations by name, each named once.

    Raises:
        SettingsError: A name is unknown (the nearest are given), there is none, or one comes twice.
    """
    if not names:
        raise SettingsError(f"operations is empty: name at least one of {', '.join(OPERATIONS)}")
    for name in names:
        if name not in OPERATIONS:
            raise unknown_name("operation", name, OPERATIONS)
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise SettingsError(f"operations names {', '.join(twice)} more than once: name every operation once")
    return [OPERATIONS.index(name) for name in names]
