"""The course of the learning rate, on a clock of one's choice."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rheostat.settings import TrainSettings


@dataclass(frozen=True)
class Clock:
    """How far a run has come, in the three units that a schedule may run by.

    Attributes:
        epochs: Epochs of candidates, fractional within one.
        backwards: Examples trained on.
        steps: Optimiser steps.
    """

    epochs: float
    backwards: int
    steps: int


def lr_factor(settings: TrainSettings, clock: Clock) -> float:
    """Factor on the initial learning rate for the step that is about to be made, in [0, 1].

    ``linear`` and ``cosine`` (Loshchilov and Hutter, arXiv:1608.03983, equation 5, without restarts) fall from 1 at the
    start to 0 at the end of the run; ``step`` multiplies by gamma at each milestone.
    """
    now = {"epochs": clock.epochs, "backwards": clock.backwards, "steps": clock.steps}[settings.schedule_by]
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "step":
        return settings.gamma ** sum(now >= milestone for milestone in settings.milestones)
    progress = min(now / _end(settings), 1.0)
    return 1 - progress if settings.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2


def _end(settings: TrainSettings) -> float:
    """When the run ends, in units of the schedule's clock."""
    if settings.schedule_by == "epochs":
        assert settings.end_epoch is not None, "checked by the settings"
        return settings.end_epoch
    assert settings.max_backwards is not None, "checked by the settings"
    return (
        settings.max_backwards if settings.schedule_by == "backwards" else settings.max_backwards / settings.batch_size
    )
