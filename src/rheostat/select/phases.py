"""When selection is on, and what becomes of examples that wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from rheostat.errors import SettingsError

Remainder = Literal["carry", "drop", "flush"]


@dataclass(frozen=True)
class Phases:
    """When selection is on, and what becomes of examples that wait.

    Args:
        warmup: Epochs at the start in which every candidate is kept, unscored; >= 0.
        end: First epoch (counted from 0) in which selection is off again, > warmup; None = never.
        every: Every `every`-th round of candidates is kept whole, unscored; >= 1; None = no such round.
        remainder: What happens to a part-filled batch at the end of an epoch: ``carry`` it into the next, ``drop`` it,
            or ``flush`` it as a smaller batch (a single example is carried even so if the model normalises over the
            batch). None = ``flush`` for a policy that keeps everything, so that it is the plain loop, and ``carry`` for
            any other.
        max_age: Waiting examples scored more than this many training batches ago are dropped, >= 0; None = never. Ages
            are small unless rounds are larger than training batches.

    Raises:
        SettingsError: A value is outside its range.
    """

    warmup: int = 0
    end: int | None = None
    every: int | None = None
    remainder: Remainder | None = None
    max_age: int | None = None

    def __post_init__(self) -> None:
        if self.warmup < 0:
            raise SettingsError(f"warmup is {self.warmup}: it is a number of epochs, 0 or more")
        if self.end is not None and self.end <= self.warmup:
            raise SettingsError(
                f"end is {self.end} and warmup {self.warmup}: selection must end after it begins, "
                f"so end >= {self.warmup + 1}"
            )
        if self.every is not None and self.every < 1:
            raise SettingsError(f"every is {self.every}: every k-th round is kept whole, with k >= 1")
        if self.remainder is not None and self.remainder not in get_args(Remainder):
            raise SettingsError(f"remainder is {self.remainder!r}: it must be one of {', '.join(get_args(Remainder))}")
        if self.max_age is not None and self.max_age < 0:
            raise SettingsError(f"max_age is {self.max_age}: it is a number of training batches, 0 or more")

    def selecting(self, epoch: int, round_: int) -> bool:
        """Whether round `round_` (from 0) of epoch `epoch` (from 0) goes through selection."""
        on = self.warmup <= epoch and (self.end is None or epoch < self.end)
        return on and not (self.every is not None and (round_ + 1) % self.every == 0)
