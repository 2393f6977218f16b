"""When selection pays: the arithmetic of the costs, and the stopwatch that they are measured with."""

import math
from collections.abc import Iterator

import pytest
import torch

from rheostat.select.costs import OFF, TRAINING, Costs, Mode, Stopwatch, break_even, forward_mode, speedup

CPU = torch.device("cpu")
FORWARD = forward_mode()
COSTS = Costs(data=0.5, pick=0.125, score=1.0, step=4.0, observe=0.25)


def seconds_of(costs: Costs, name: str, kept_share: float, reuse: int = 0, epochs: int = 840) -> float:
    """What a candidate costs in a loop that is written out, on average over epochs; 840 is a multiple of 1 to 8."""
    spent = 0.0
    for epoch in range(epochs):
        spent += costs.data
        if name == "off":
            spent += costs.step
            continue
        spent += costs.pick
        if name == "forward" and epoch % (reuse + 1) == 0:
            spent += costs.score
        spent += kept_share * (costs.step + (costs.observe if name == "training" else 0.0))
    return spent / epochs


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("reuse", [0, 1, 3, 6])
def test_the_speed_up_of_a_forward_pass_is_that_of_the_loop_written_out(share: float, reuse: int) -> None:
    expected = seconds_of(COSTS, "off", 1.0) / seconds_of(COSTS, "forward", share, reuse)
    assert speedup(COSTS, forward_mode(reuse), share) == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_speed_up_of_training_scores_is_that_of_the_loop_written_out(share: float) -> None:
    expected = seconds_of(COSTS, "off", 1.0) / seconds_of(COSTS, "training", share)
    assert speedup(COSTS, TRAINING, share) == pytest.approx(expected)


def test_off_is_the_plain_loop_whatever_was_measured() -> None:
    assert speedup(COSTS, OFF, 0.3) == 1.0
    assert speedup(Costs(), OFF, math.nan) == 1.0


@pytest.mark.parametrize(("score", "step"), [(1.0, 4.0), (64e-6, 115e-6), (3.0, 2.0)])
def test_break_even_is_1_minus_the_cost_of_a_score_over_that_of_a_step(score: float, step: float) -> None:
    costs = Costs(score=score, step=step)
    assert break_even(costs, FORWARD) == pytest.approx(1 - score / step)
    assert break_even(costs, forward_mode(3)) == pytest.approx(1 - score / 4 / step)
    assert break_even(costs, TRAINING) == 1


@pytest.mark.parametrize("mode", [FORWARD, forward_mode(1), forward_mode(3), TRAINING], ids=lambda mode: mode.name)
@pytest.mark.parametrize("costs", [COSTS, COSTS._replace(data=0.0), COSTS._replace(pick=math.nan)], ids=str)
def test_at_break_even_the_speed_up_is_1(mode: Mode, costs: Costs) -> None:
    assert speedup(costs, mode, break_even(costs, mode)) == pytest.approx(1.0)


def test_what_is_not_measured_is_free_but_for_the_score_and_the_step() -> None:
    assert speedup(Costs(score=1.0, step=3.0), FORWARD, 0.5) == pytest.approx(3 / 2.5)
    assert math.isnan(speedup(Costs(step=3.0), FORWARD, 0.5))
    assert math.isnan(speedup(Costs(score=1.0), FORWARD, 0.5))
    assert math.isnan(break_even(Costs(step=3.0), FORWARD))
    assert speedup(Costs(step=3.0), TRAINING, 0.5) == 2


def test_a_mode_says_where_its_scores_come_from_and_how_many_forwards_they_cost() -> None:
    modes = [OFF, TRAINING, FORWARD, forward_mode(1), forward_mode(3)]
    assert [mode.name for mode in modes] == ["off", "training", "forward", "reuse 1", "reuse 3"]
    assert [mode.forwards for mode in modes] == [0, 0, 1, 0.5, 0.25]


# ---- the stopwatch


class Clock:
    """Tells the times that it was given, one after the other."""

    def __init__(self, *seconds: float) -> None:
        self._times: Iterator[float] = iter(seconds)

    def __call__(self) -> float:
        return next(self._times)


def watch_of(name: str, *blocks: tuple[float, int], memory: int = 32) -> Stopwatch:
    """A stopwatch that has timed blocks of `(seconds, examples)`."""
    times = [time for seconds, _ in blocks for time in (100.0, 100.0 + seconds)]
    watch = Stopwatch(CPU, memory, clock=Clock(*times))
    for _, examples in blocks:
        with watch.timing(name, examples):
            pass
    return watch


def test_the_median_is_of_seconds_per_example() -> None:
    assert watch_of("score", (8.0, 4), (1.0, 1), (90.0, 3)).median("score") == 2.0
    assert watch_of("score", (8.0, 4), (1.0, 1)).median("score") == 1.5


def test_only_the_last_blocks_count() -> None:
    assert watch_of("score", (1.0, 1), (1.0, 1), (1.0, 1), (5.0, 1), (7.0, 1), memory=2).median("score") == 6.0


def test_a_block_without_an_example_or_that_raises_does_not_count() -> None:
    watch = watch_of("score", (8.0, 0), (3.0, 1))
    assert watch.median("score") == 3.0
    watch = Stopwatch(CPU, clock=Clock(0.0, 50.0))
    with pytest.raises(KeyError), watch.timing("score", 1):
        raise KeyError
    assert math.isnan(watch.median("score"))


def test_sections_are_kept_apart_and_observing_is_taken_out_of_the_step_that_it_is_part_of() -> None:
    watch = Stopwatch(CPU, clock=Clock(*range(8), 8, 8.25, 10, 11))
    assert all(math.isnan(seconds) for seconds in watch.costs())
    for name, examples in (("data", 4), ("pick", 10), ("score", 2), ("other", 1)):
        with watch.timing(name, examples):
            pass
    with watch.timing("step", 1), watch.timing("observe", 1):  # 8 to 11, of which 8.25 to 10
        pass
    assert watch.costs() == Costs(data=0.25, pick=0.1, score=0.5, step=3.0 - 1.75, observe=1.75)
