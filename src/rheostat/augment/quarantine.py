"""Suspects that are set aside while training goes on and nobody has reviewed them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from rheostat.augment.scores import suspect_score_named
from rheostat.augment.suspicion import quarantined
from rheostat.errors import SettingsError
from rheostat.signals import ExampleLog


@dataclass(frozen=True)
class Quarantine:
    """Which suspects are set aside: never augmented, and with a training weight of their own.

    Args:
        share: Share of the data set that is suspect, in [0, 1].
        score: Name of the score that tells suspects, one of `SUSPECT_SCORES`.
        from_epoch: First epoch with a quarantine, >= 0: a score needs a few looks.
        weight: Training weight of those in it, >= 0; 1 = as the others, 0 = not trained on.

    Raises:
        SettingsError: An option is outside its range, or the score is unknown.
    """

    share: float = 0.05
    score: str = "disagreement"
    from_epoch: int = 2
    weight: float = 1.0

    def __post_init__(self) -> None:
        suspect_score_named(self.score)
        if not 0 <= self.share <= 1:
            raise SettingsError(f"share is {self.share}: the share in quarantine lies in [0, 1], e.g. share=0.05")
        if self.from_epoch < 0:
            raise SettingsError(f"from_epoch is {self.from_epoch}: it is the number of an epoch, from 0; 2 is usual")
        if not 0 <= self.weight < float("inf"):
            raise SettingsError(
                f"weight is {self.weight}: a training weight is 0 or more and finite; 1 = as the others"
            )

    def members(
        self, log: ExampleLog, epoch: int, labels: Int[Tensor, " n"] | None, reviewed: Bool[Tensor, " n"]
    ) -> Bool[Tensor, " n"]:
        """Which examples are in quarantine in an epoch.

        Args:
            log: What has been seen of them.
            epoch: From 0.
            labels: `[N]`, given labels, for a score that needs them.
            reviewed: `[N]`, True = a person has decided on it, so it is not in quarantine.
        """
        if epoch < self.from_epoch or self.share == 0:
            return torch.zeros_like(reviewed)
        return quarantined(suspect_score_named(self.score)(log, labels), self.share, released=reviewed)
