"""The course of the learning rate against values worked out by hand."""

import math

import pytest

from rheostat.settings import TrainSettings
from rheostat.training.schedules import Clock, lr_factor

HALF = math.sqrt(0.5)

# a clock on which epochs, backwards and steps stand at different shares of the run, so that no two can be mixed up:
# 3/4 of 8 epochs, 1/4 of 6400 examples, 1/3 of the 100 steps that those are in batches of 64
NOW = Clock(epochs=6.0, backwards=1600, steps=100 // 3)


def settings(**values: object) -> TrainSettings:
    return TrainSettings.checked({"data": "any", "batch_size": 64, "epochs": 8, "max_backwards": 6400, **values})


@pytest.mark.parametrize(
    ("schedule", "by", "factor"),
    [
        ("constant", "epochs", 1.0),
        ("constant", "backwards", 1.0),
        ("constant", "steps", 1.0),
        ("linear", "epochs", 1 / 4),
        ("linear", "backwards", 3 / 4),
        ("linear", "steps", 0.67),
        ("cosine", "epochs", (1 - HALF) / 2),
        ("cosine", "backwards", (1 + HALF) / 2),
        ("cosine", "steps", (1 + math.cos(0.33 * math.pi)) / 2),
    ],
)
def test_each_schedule_on_each_clock(schedule: str, by: str, factor: float) -> None:
    assert lr_factor(settings(schedule=schedule, schedule_by=by), NOW) == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize("by", ["epochs", "backwards", "steps"])
@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_falling_schedule_starts_at_1_is_half_way_in_the_middle_and_stays_0_beyond_the_end(
    schedule: str, by: str
) -> None:
    falling = settings(schedule=schedule, schedule_by=by)
    clocks = [Clock(8 * share, round(6400 * share), round(100 * share)) for share in (0, 0.5, 1, 1.25)]
    assert [lr_factor(falling, clock) for clock in clocks] == pytest.approx([1, 0.5, 0, 0], abs=1e-12)


def test_without_an_end_in_epochs_the_16_of_the_thesis_are_the_run() -> None:
    falling = TrainSettings.checked({"data": "any", "schedule": "linear"})
    assert lr_factor(falling, Clock(12.0, 0, 0)) == 0.25


@pytest.mark.parametrize(
    ("by", "milestones", "factor"),
    [
        ("epochs", (6,), 0.1),  # reached just now
        ("epochs", (6.001,), 1.0),
        ("epochs", (2.5, 6, 7), 0.01),
        ("backwards", (1600, 1601), 0.1),
        ("backwards", (1, 2, 3), 0.001),
        ("steps", (33, 34), 0.1),
    ],
)
def test_a_step_schedule_decays_once_for_every_milestone_that_its_clock_has_reached(
    by: str, milestones: tuple[float, ...], factor: float
) -> None:
    stepped = settings(schedule="step", schedule_by=by, milestones=milestones, gamma=0.1)
    assert lr_factor(stepped, NOW) == pytest.approx(factor, rel=1e-12)
