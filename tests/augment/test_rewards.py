"""Rewards against rules written out in plain Python."""

import itertools
import math

import pytest
import torch

from rheostat.augment.rewards import Band, HeldOutImprovement, band_reward, improvement_reward
from rheostat.errors import SettingsError
from tests.select.toys import through_a_file


def by_hand(augmented: float, plain: float, now: int, then: int, given: int) -> float:
    if math.isnan(augmented) or math.isnan(plain) or then != given:
        return math.nan
    return float(0.25 <= augmented - plain <= 1.0 and now == then)


def test_a_view_pays_where_it_is_harder_within_the_band_and_still_recognised() -> None:
    nan = math.nan
    cases = [
        (0.75, 0.25, 3, 3, 3),  # harder by 0.5, recognised: 1
        (0.5, 0.25, 3, 3, 3),  # on the lower edge: 1
        (1.25, 0.25, 3, 3, 3),  # on the upper edge: 1
        (0.375, 0.25, 3, 3, 3),  # hardly harder
        (0.125, 0.25, 3, 3, 3),  # easier
        (2.0, 0.25, 3, 3, 3),  # beyond the band
        (0.75, 0.25, 4, 3, 3),  # no longer recognised
        (0.75, 0.25, 3, 3, 4),  # the plain prediction was not the given label: nothing is known
        (0.75, 0.25, 4, 3, 4),
        (0.75, nan, 3, -1, 3),  # never looked at
        (nan, 0.25, 0, 3, 3),
    ]
    expected = [by_hand(*case) for case in cases]
    assert expected[:7] == [1, 1, 1, 0, 0, 0, 0]
    augmented, plain, now, then, given = zip(*cases, strict=True)
    reward = band_reward(
        torch.tensor(augmented), torch.tensor(plain), torch.tensor(now), torch.tensor(then), torch.tensor(given),
        low=0.25, high=1.0,
    )  # fmt: skip
    assert reward.tolist() == pytest.approx(expected, nan_ok=True)


def test_raw_loss_is_not_rewarded(generator: torch.Generator) -> None:
    """The reward falls again where the loss keeps rising, as a view loses its label."""
    logits = torch.stack([torch.linspace(4, -4, 9), torch.zeros(9)], dim=1)
    zero = torch.zeros(9, dtype=torch.long)
    reward = Band(0.1, 0.6)(logits, zero, torch.full((9,), 0.98), zero.int())
    assert reward.tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_the_band_compares_with_the_probability_of_the_last_look() -> None:
    reward = Band(low=0.4, high=0.6)(
        torch.tensor([[0.0, 0.0]] * 4).add(torch.tensor([[1e-3, 0.0]])),
        torch.zeros(4, dtype=torch.long),
        torch.tensor([math.exp(-0.2), math.exp(-0.4), 0.0, math.nan]),  # plain losses 0.2, 0.4, beyond all, unknown
        torch.zeros(4, dtype=torch.int32),
    )
    assert reward.tolist() == pytest.approx([1, 0, 0, math.nan], nan_ok=True)  # the augmented loss is 0.69


@pytest.mark.parametrize(("low", "high"), [(1.0, 0.5), (math.nan, 1.0), (0.1, math.inf)])
def test_an_empty_or_endless_band_is_refused(low: float, high: float) -> None:
    with pytest.raises(SettingsError, match=f"the band is {low} to {high}: it must be finite, with low <= high"):
        Band(low, high)


def test_an_improvement_is_squashed_around_what_is_usual() -> None:
    assert improvement_reward(0.3, mean=0.3, spread=0.1) == 0.5
    assert improvement_reward(0.5, mean=0.3, spread=0.1) == pytest.approx(1 / (1 + math.exp(-2)))
    assert improvement_reward(-1e6, mean=0.3, spread=0.1) == 0.0
    assert improvement_reward(1e6, mean=0.3, spread=0.1) == 1.0
    assert improvement_reward(0.5, mean=0.3, spread=0.0) == 0.5


def test_held_out_improvement_against_a_running_mean_by_hand() -> None:
    losses = [2.0, 1.5, 1.3, 1.3, 1.4, 0.9]
    rule, resumed = HeldOutImprovement(memory=4), HeldOutImprovement(memory=4)
    rewards = [rule(loss) for loss in losses[:3]]
    resumed.load_state_dict(through_a_file(rule.state_dict()))
    rewards += [rule(loss) for loss in losses[3:]]
    assert [resumed(loss) for loss in losses[3:]] == rewards[3:]

    expected, mean, spread = [math.nan, 0.5], 0.5, 0.0  # the first improvement is what is usual at first
    for before, loss in itertools.pairwise(losses[1:]):
        distance = abs(before - loss - mean)
        expected.append(1 / (1 + math.exp(-(before - loss - mean) / (spread or distance))))
        spread += (distance - spread) / 4
        mean += (before - loss - mean) / 4
    assert rewards == pytest.approx(expected, nan_ok=True)
    assert rewards[4] < 0.5 < rewards[5]  # the loss rose, then fell by more than is usual


def test_a_loss_that_is_not_finite_rewards_nothing_and_is_forgotten() -> None:
    rule = HeldOutImprovement()
    assert math.isnan(rule(math.nan))
    assert math.isnan(rule(1.0))
    assert math.isnan(rule(math.inf))
    assert rule(0.9) == 0.5


def test_a_memory_below_one_call_is_refused() -> None:
    with pytest.raises(SettingsError, match="memory is 0: it must be at least 1"):
        HeldOutImprovement(memory=0)
