"""The counts and times of a loader: they add up, and its speed-ups are arithmetic on them."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from rheostat.select import (
    Phases,
    Policy,
    Random,
    Scoring,
    SelectiveBackprop,
    SelectiveLoader,
    Stats,
    TopK,
    Uniform,
)
from rheostat.select.costs import OFF, TRAINING, Costs, forward_mode
from rheostat.select.stats import Share
from tests.select.toys import CLASSES, READS_LOGITS, in_order, through_a_file

NOTHING = Stats(
    epochs=0,
    candidates=0,
    scoring_forwards=0,
    kept=0,
    backwards=0,
    dropped=0,
    batches=0,
    data_seconds=0.0,
    scoring_seconds=0.0,
    training_seconds=0.0,
    data_cpu_seconds=0.0,
    scoring_cpu_seconds=0.0,
    training_cpu_seconds=0.0,
)


def stats(**values: Any) -> Stats:
    return Stats(**{**vars(NOTHING), **values})


def test_the_actual_speed_up_is_the_time_of_the_plain_loop_over_that_spent() -> None:
    # 1000 candidates at 20 ms a step; 250 were trained on; 2 s of data either way
    some = stats(
        candidates=1000, backwards=250, data_seconds=2.0, scoring_seconds=3.0, costs=Costs(step=0.02, observe=0.004)
    )
    assert some.actual_speedup == pytest.approx((2 + 20) / (2 + 3 + 250 * 0.024))
    plain = stats(candidates=1000, backwards=1000, data_seconds=2.0, costs=Costs(step=0.02))
    assert plain.actual_speedup == 1.0


def test_what_the_loop_does_now_and_then_is_no_saving() -> None:
    evaluated = stats(candidates=100, backwards=50, training_seconds=1e6, costs=Costs(step=0.02))
    assert evaluated.actual_speedup == pytest.approx(2.0)


def test_waiting_that_the_plain_loop_does_not_have_is_no_saving() -> None:
    costs = Costs(step=0.01, data=0.009, plain_data=0.001)  # a loader that works ahead, behind fewer steps
    some = stats(candidates=100, backwards=10, data_seconds=0.9, mode=TRAINING, recent_share=0.1, costs=costs)
    assert some.actual_speedup == pytest.approx((0.1 + 1.0) / (0.9 + 0.1))
    assert some.predicted_speedup == pytest.approx((0.001 + 0.01) / (0.009 + 0.001))


def test_each_of_two_processes_makes_half_the_steps() -> None:
    some = stats(candidates=2000, backwards=500, processes=2, scoring_seconds=3.0, costs=Costs(step=0.02))
    assert some.actual_speedup == pytest.approx(20 / (3 + 5))


def test_while_it_is_off_break_even_is_that_of_what_it_could_take() -> None:
    assert stats(mode=OFF, costs=Costs(step=1.0, score=0.6, pick=0.01)).break_even == pytest.approx(1 - 0.16)
    assert stats(mode=OFF, costs=Costs(step=0.9, observe=0.1, pick=0.02)).break_even == pytest.approx(0.88)
    assert math.isnan(stats(mode=OFF, costs=Costs(step=1.0)).break_even)


def test_before_anything_is_measured_no_speed_up_is_claimed() -> None:
    assert math.isnan(NOTHING.actual_speedup)
    assert math.isnan(NOTHING.kept_share)
    scored = stats(mode=forward_mode(), candidates=10, scoring_seconds=1.0)
    assert math.isnan(scored.predicted_speedup)
    assert math.isnan(scored.break_even)
    assert math.isnan(scored.actual_speedup)


def test_the_predicted_speed_up_and_break_even_are_of_the_mode_that_is_on() -> None:
    costs = Costs(score=1.0, step=4.0)
    some = stats(costs=costs, mode=forward_mode(), recent_share=0.25)
    assert some.break_even == 0.75
    assert some.predicted_speedup == 4 / 2
    assert stats(costs=costs, mode=forward_mode(1), recent_share=0.25).predicted_speedup == 4 / 1.5
    assert stats(costs=costs, mode=TRAINING, recent_share=0.25).predicted_speedup == 4
    assert stats(costs=costs, mode=OFF, recent_share=0.25).predicted_speedup == 1


def test_the_kept_share_that_counts_is_that_of_the_rounds_that_chose() -> None:
    share = Share()
    assert math.isnan(share.recent)
    share.add(candidates=100, offered=0, kept=0)
    assert math.isnan(share.now)
    share.add(candidates=100, offered=100, kept=25)
    share.add(candidates=100, offered=100, kept=75)
    assert share.now == share.recent == 0.5
    share.end_epoch()
    assert math.isnan(share.now)
    assert share.recent == 0.5
    share.end_epoch()  # an epoch in which nothing was chosen changes nothing
    assert share.recent == 0.5
    share.add(candidates=7, offered=7, kept=7)
    assert (share.now, share.recent, share.latest_round) == (1.0, 1.0, 7)
    share.add(candidates=0, offered=0, kept=0)
    assert share.latest_round == 7


def test_a_share_goes_on_from_a_file() -> None:
    for begun in (Share(), Share(offered=10, kept=3, before=0.25, latest_round=5)):
        resumed = Share(9, 9, 0.9, 9)
        resumed.load_state_dict(through_a_file(begun.state_dict()))
        assert resumed.state_dict() == begun.state_dict()
        assert (math.isnan(resumed.recent), resumed.now) == (
            math.isnan(begun.recent),
            pytest.approx(begun.now, nan_ok=True),
        )


# ---- of a loader


@pytest.mark.parametrize("phases", [Phases(), Phases(warmup=1), Phases(end=2), Phases(every=3)], ids=repr)
@pytest.mark.parametrize(
    ("policy", "scoring", "name"),
    [
        (SelectiveBackprop(0.3), Scoring(), "forward"),
        (TopK(0.5), Scoring(reuse=1), "reuse 1"),
        (TopK(0.5), Scoring(reuse=2), "reuse 2"),
        (TopK(0.5), Scoring(source="training"), "training"),
        (Random(0.5), Scoring(), "off"),
        (Uniform(), Scoring(), "off"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_modes_add_up_to_the_candidates_and_what_is_not_chosen_from_is_off(
    policy: Policy, scoring: Scoring, name: str, phases: Phases
) -> None:
    model = nn.Linear(CLASSES, CLASSES)
    batches = SelectiveLoader(in_order(45), model, policy, 6, scoring=scoring, phases=phases)
    chosen_from = 0
    for epoch in range(3):
        for x, _ in batches:
            model(x)
        sizes = (10, 10, 10, 10, 5)
        chosen_from += sum(size for round_, size in enumerate(sizes) if phases.selecting(epoch, round_))
    found = batches.stats
    assert sum(found.modes.values()) == found.candidates == 135
    expected = {name: chosen_from, "off": 135 - chosen_from} if name != "off" else {"off": 135}
    assert dict(found.modes) == {name: number for name, number in expected.items() if number}
    scored = chosen_from if name != "off" else 0
    assert found.scoring_forwards + found.reused == scored
    assert found.mode.name == name


@pytest.mark.parametrize("remainder", ["carry", "drop", "flush"])
@pytest.mark.parametrize("max_age", [None, 0, 1])
def test_what_was_kept_is_trained_on_or_dropped_or_waits(remainder: Any, max_age: int | None) -> None:
    phases = Phases(remainder=remainder, max_age=max_age)
    batches = SelectiveLoader(in_order(45), READS_LOGITS, TopK(0.5), 3, phases=phases, scoring=Scoring(batch_size=20))
    for _ in range(3):
        list(batches)
        found = batches.stats
        assert found.kept == found.backwards + found.dropped + found.waiting


def test_the_latest_round_is_that_of_the_batch_at_hand() -> None:
    batches = SelectiveLoader(in_order(45), READS_LOGITS, TopK(1.0), 5)
    assert [batches.stats.latest_round for _ in batches] == [10] * 8 + [5]


def test_times_are_those_of_the_stopwatch_and_are_per_example() -> None:
    batches = SelectiveLoader(in_order(40), READS_LOGITS, TopK(0.5), 5)
    assert all(math.isnan(seconds) for seconds in batches.stats.costs)
    list(batches)
    costs = batches.stats.costs
    assert all(0 < seconds < 1 for seconds in (costs.data, costs.pick, costs.score, costs.step))
    assert math.isnan(costs.observe)
    assert batches.stats.predicted_speedup > 0
    assert torch.isfinite(torch.tensor(batches.stats.actual_speedup))
