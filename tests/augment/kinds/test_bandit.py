"""The bandit: its two rules against plain Python, and whether it finds, follows and stays diverse."""

import math
import statistics

import pytest
import torch

from rheostat.augment.kinds import Bandit
from rheostat.augment.kinds.bandit import discounted, thompson
from tests.augment.kinds.toys import BATCH, one_good_arm, play


def test_thompson_draws_an_arm_as_often_as_it_is_the_best_by_its_beta() -> None:
    """Against Beta draws of Python's own; the tolerance is what the normal differs by, and no more."""
    import random

    gained, lost = torch.tensor([[6.0, 9.0, 1.0], [0.0, 0.0, 40.0]]), torch.tensor([[9.0, 9.0, 3.0], [0.0, 5.0, 40.0]])
    draws, dice = 8_000, random.Random(1)
    for context in range(2):
        beta = [(1 + float(g), 1 + float(n)) for g, n in zip(gained[context], lost[context], strict=True)]
        best = [0, 0, 0]
        for _ in range(draws):
            drawn = [dice.betavariate(won, missed) for won, missed in beta]
            best[drawn.index(max(drawn))] += 1
        arm = thompson(gained, lost, torch.full((draws,), context), torch.Generator().manual_seed(2))
        share = torch.bincount(arm, minlength=3) / draws
        torch.testing.assert_close(share, torch.tensor(best) / draws, atol=0.035, rtol=0)


def test_each_example_has_a_draw_of_its_own(generator: torch.Generator) -> None:
    nothing = torch.zeros(1, 50)
    arm = thompson(nothing, nothing, torch.zeros(50_000, dtype=torch.long), generator)
    count = torch.bincount(arm, minlength=50)
    assert (count - 1_000).abs().max() < 150  # 4.8 standard deviations


@pytest.mark.parametrize("rewards", [1, 60])
def test_rewards_fade_as_one_after_another(rewards: int, generator: torch.Generator) -> None:
    memory, start = 50.0, 7.0
    arm = torch.randint(0, 3, (rewards,), generator=generator)
    reward = torch.rand(rewards, generator=generator)
    gained, lost = discounted(
        torch.full((2, 3), start), torch.full((2, 3), start), torch.ones(rewards, dtype=torch.long), arm, reward, memory
    )
    total = 3 * 2 * start
    for _ in range(rewards):
        total = total * (1 - 1 / memory) + 1
    assert float((gained + lost)[1].sum()) == pytest.approx(total, rel=1e-4)
    assert gained[0].tolist() == lost[0].tolist() == [start] * 3  # the other context has learned nothing

    left = (1 - 1 / memory) ** rewards
    each = (total - 3 * 2 * start * left) / rewards  # what one reward of the batch counts
    for number in range(3):
        of_arm = [float(value) for value, at in zip(reward, arm, strict=True) if at == number]
        assert float(gained[1, number]) == pytest.approx(start * left + each * sum(of_arm), rel=1e-4)
        assert float(lost[1, number]) == pytest.approx(start * left + each * (len(of_arm) - sum(of_arm)), rel=1e-4)


def test_a_context_never_knows_more_than_its_memory() -> None:
    nothing = torch.zeros(1, 2)
    place = torch.zeros(100_000, dtype=torch.long)
    gained, lost = discounted(nothing, nothing, place, place, torch.ones(100_000), memory=500.0)
    assert float(gained.sum()) == pytest.approx(500, rel=1e-3)
    assert float(lost.sum()) == 0


def test_the_bandit_finds_the_best_arm_of_each_context() -> None:
    bandit = Bandit(contexts=3, floor=0.1, memory=20_000)
    good = [5, 20, 40]
    worth = one_good_arm(3, len(bandit.arms), good)
    generator = torch.Generator().manual_seed(0)
    play(bandit, worth, 80, generator)
    context, arm = play(bandit, worth, 16, generator)
    for number in range(3):
        chosen = (arm[context == number] == good[number]).float().mean()
        assert chosen > 0.75, f"context {number}: {chosen:.2f}"  # uniform: 0.02; at most 0.9 with the floor
        assert int(bandit.worth[number].argmax()) == good[number]
        assert float(bandit.worth[number, good[number]]) == pytest.approx(0.6, abs=0.05)


def test_the_bandit_follows_when_another_arm_becomes_the_best() -> None:
    bandit = Bandit(contexts=1, bins=1, floor=0.1, memory=2_000)
    generator = torch.Generator().manual_seed(0)
    play(bandit, one_good_arm(1, len(bandit.arms), [3]), 40, generator)
    _, before = play(bandit, one_good_arm(1, len(bandit.arms), [11]), 40, generator)
    _, after = play(bandit, one_good_arm(1, len(bandit.arms), [11]), 8, generator)
    assert (before[:BATCH] == 3).float().mean() > 0.6
    assert (after == 11).float().mean() > 0.6
    assert (after == 3).float().mean() < 0.1


@pytest.mark.parametrize("floor", [0.0, 0.2])
def test_a_share_of_the_choices_stays_uniform(floor: float) -> None:
    bandit = Bandit(contexts=1, bins=1, floor=floor, memory=1e6)
    place = torch.zeros(1, len(bandit.arms))
    state = bandit.state_dict()
    bandit.load_state_dict(state | {"gained": place.index_fill(1, torch.tensor([7]), 1e5), "lost": place + 1e5})
    draws = 32_000
    arm = bandit.choose(torch.rand(draws), torch.Generator().manual_seed(0)).arm.flatten()
    others = torch.bincount(arm, minlength=16)[[number for number in range(16) if number != 7]]
    expected = draws * floor / 16
    assert (others - expected).abs().max() <= 5 * math.sqrt(expected)
    assert statistics.fmean(others.tolist()) == pytest.approx(expected, rel=0.05)


def test_the_unknown_learns_with_the_middle(generator: torch.Generator) -> None:
    bandit = Bandit(contexts=3, bins=1)
    unknown = torch.full((100,), torch.nan)
    bandit.reward(bandit.choose(unknown, generator), unknown, torch.ones(100))
    rose = (bandit.worth > 0.5).any(dim=1)
    assert rose.tolist() == [False, True, False]
