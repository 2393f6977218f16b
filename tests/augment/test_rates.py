"""Every rate against one contract, then the rule of ranks against a search over lists."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rheostat.augment.rates import (
    Always,
    Never,
    RankRate,
    Rate,
    Threshold,
    TopK,
    Uniform,
    build_rate,
    rate_names,
    rate_of_ranks,
    rate_option_names,
)
from rheostat.errors import SettingsError, StateError
from rheostat.signals.stateful import Stateful
from tests.select.toys import global_randomness_untouched, through_a_file

RATES: list[Callable[[], Rate]] = [
    Never,
    Always,
    lambda: Uniform(0.3),
    lambda: RankRate(0.3, 2.0),
    lambda: RankRate(0.6, -1.5, 0.1, 0.9),
    lambda: Threshold(0.7),
    lambda: TopK(0.25),
    lambda: TopK(0.25, settle=2),
]
every_rate = pytest.mark.parametrize("build", RATES, ids=[repr(build()) for build in RATES])


def ranks(size: int, seed: int = 0) -> Tensor:
    """Mid-ranks in (0, 1), shuffled."""
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    return (order + 0.5) / size


def some_of(size: int, share: float, seed: int = 1) -> Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed)) < share


# ---- one contract


def test_the_suite_covers_every_rate_that_has_a_name() -> None:
    assert {type(build()) for build in RATES} == {type(build_rate(name)) for name in rate_names()}


@every_rate
@pytest.mark.parametrize("size", [0, 1, 7, 100_000])
def test_a_rate_gives_every_example_a_probability(build: Callable[[], Rate], size: int) -> None:
    rate = build()
    assert isinstance(rate, Rate)
    for epoch, difficulty in enumerate((torch.full((size,), math.nan), ranks(size), ranks(size, 1))):
        found = rate.probabilities(difficulty, epoch)
        assert found.shape == (size,)
        assert found.dtype == torch.float32
        assert ((found >= 0) & (found <= 1)).all()


@every_rate
def test_what_is_excluded_is_never_augmented(build: Callable[[], Rate]) -> None:
    rate, excluded = build(), some_of(200, 0.2)
    for epoch, difficulty in enumerate((torch.full((200,), math.nan), ranks(200), ranks(200, 1))):
        assert (rate.probabilities(difficulty, epoch, excluded)[excluded] == 0).all()
        assert (rate.probabilities(difficulty, epoch, torch.ones(200, dtype=torch.bool)) == 0).all()


@every_rate
def test_a_rate_moves_no_global_random_state_and_leaves_the_difficulty(build: Callable[[], Rate]) -> None:
    difficulty = ranks(50)
    with global_randomness_untouched():
        build().probabilities(difficulty, 0)
    assert torch.equal(difficulty, ranks(50))


@every_rate
def test_a_resumed_rate_goes_on_as_the_uninterrupted_one(build: Callable[[], Rate]) -> None:
    uninterrupted, resumed = build(), build()
    for epoch in range(3):
        uninterrupted.probabilities(ranks(50, epoch), epoch)
    if isinstance(uninterrupted, Stateful):
        assert isinstance(resumed, Stateful)
        resumed.load_state_dict(through_a_file(uninterrupted.state_dict()))
    for epoch in range(3, 6):
        difficulty = ranks(50, epoch)
        assert torch.equal(resumed.probabilities(difficulty, epoch), uninterrupted.probabilities(difficulty, epoch))


@pytest.mark.parametrize("build", [lambda: Uniform(0.3), lambda: RankRate(0.3, 3.0)])
def test_the_mean_over_all_is_kept_whatever_is_excluded_or_unseen(build: Callable[[], Rate]) -> None:
    difficulty = ranks(1000)
    for excluded in (None, some_of(1000, 0.1), some_of(1000, 0.4)):
        for unseen in (some_of(1000, 0.3, seed=2), torch.ones(1000, dtype=torch.bool), some_of(1000, 0.0)):
            found = build().probabilities(difficulty.masked_fill(unseen, math.nan), 0, excluded)
            assert found.mean(dtype=torch.float64).item() == pytest.approx(0.3, abs=1e-6)


def test_where_the_others_cannot_make_up_for_the_excluded_they_are_augmented_as_often_as_they_may() -> None:
    excluded = torch.arange(100) < 60
    assert (Uniform(0.5).probabilities(ranks(100), 0, excluded)[60:] == 1).all()
    assert (RankRate(0.5, 1.0, 0.1, 0.75).probabilities(ranks(100), 0, excluded)[60:] == 0.75).all()


# ---- the rule of ranks


def by_search(rank: list[float], mean: float, gamma: float, p_min: float, p_max: float) -> list[float]:
    """The rule with c found by trying ever finer steps upwards."""

    def rule(c: float) -> list[float]:
        return [min(max(c * mean * r**gamma, p_min), p_max) for r in rank]

    c, step = 0.0, 1e6
    while step > 1e-13:
        if sum(rule(c + step)) / len(rank) <= mean:
            c += step
        else:
            step /= 2
    return rule(c)


@pytest.mark.parametrize("gamma", [-2.0, -1.0, -0.3, 0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize(
    ("mean", "p_min", "p_max"), [(0.5, 0.0, 1.0), (0.05, 0.0, 1.0), (0.9, 0.0, 1.0), (0.3, 0.2, 0.6), (0.5, 0.45, 1.0)]
)
def test_the_rule_is_the_one_written_out(gamma: float, mean: float, p_min: float, p_max: float) -> None:
    rank = ranks(37).double()
    found = rate_of_ranks(rank, mean, gamma, p_min, p_max)
    assert found.tolist() == pytest.approx(by_search(rank.tolist(), mean, gamma, p_min, p_max), abs=2e-6)


@pytest.mark.parametrize("gamma", [-300.0, -4.0, -1.0, 0.0, 1.0, 4.0, 300.0])
@pytest.mark.parametrize("mean", [1e-4, 0.5, 0.999])
def test_the_mean_is_met_also_at_the_ends(gamma: float, mean: float) -> None:
    for rank in (ranks(5000), torch.ones(3), ranks(1), torch.full((7,), 0.1)):
        found = rate_of_ranks(rank, mean, gamma)
        assert found.mean(dtype=torch.float64).item() == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize(
    ("mean", "p_min", "p_max"), [(0.0, 0.0, 1.0), (1.0, 0.0, 1.0), (0.2, 0.2, 0.8), (0.8, 0.2, 0.8)]
)
def test_a_mean_at_a_bound_leaves_no_choice(mean: float, p_min: float, p_max: float) -> None:
    assert torch.equal(rate_of_ranks(ranks(9), mean, 2.0, p_min, p_max), torch.full((9,), mean))


def test_the_sign_of_gamma_says_who_is_augmented_more_often() -> None:
    rank = ranks(100).sort().values
    assert (rate_of_ranks(rank, 0.3, 1.0).diff() > 0).all()
    assert (rate_of_ranks(rank, 0.3, -0.3).diff() < 0).all()
    assert torch.equal(rate_of_ranks(rank, 0.3, 0.0), torch.full((100,), 0.3))
    # gamma = 1 and no bound met: proportional to the rank
    torch.testing.assert_close(rate_of_ranks(rank, 0.3, 1.0), 0.6 * rank)


def test_the_rank_rate_is_the_rule_on_the_seen_and_the_mean_on_the_unseen() -> None:
    difficulty = ranks(20)
    difficulty[3] = difficulty[11] = math.nan
    found = RankRate(0.4, 2.0).probabilities(difficulty, 0)
    seen = ~difficulty.isnan()
    torch.testing.assert_close(found[seen], rate_of_ranks(difficulty[seen], 0.4, 2.0))
    assert found[~seen].tolist() == pytest.approx([0.4, 0.4])
    # a difficulty of 0 has no negative power: it counts as the least mid-rank
    torch.testing.assert_close(
        RankRate(0.4, -1.0).probabilities(torch.tensor([0.0, 0.5, 1.0]), 0),
        rate_of_ranks(torch.tensor([0.5 / 3, 0.5, 1.0]), 0.4, -1.0),
    )


# ---- the others


def test_never_always_and_uniform() -> None:
    assert Never().probabilities(ranks(3), 0).tolist() == [0, 0, 0]
    assert Always().probabilities(ranks(3), 0).tolist() == [1, 1, 1]
    assert Uniform(0.25).probabilities(ranks(3), 0).tolist() == [0.25, 0.25, 0.25]
    excluded = torch.tensor([True, False, False])
    assert Uniform(0.25).probabilities(ranks(3), 0, excluded).tolist() == [0, 0.375, 0.375]
    assert Always().probabilities(ranks(3), 0, excluded).tolist() == [0, 1, 1]


def test_a_threshold_augments_what_is_harder_and_was_seen() -> None:
    difficulty = torch.tensor([0.2, 0.5, 0.50001, math.nan, 0.9])
    assert Threshold(0.5).probabilities(difficulty, 0).tolist() == [0, 0, 1, 0, 1]


def test_top_k_is_chosen_once_after_an_epoch_of_plain_views() -> None:
    rate = TopK(0.5)
    first = torch.tensor([0.1, 0.9, math.nan, 0.7])
    assert rate.probabilities(first, 0).tolist() == [0] * 4
    chosen = torch.tensor([0.1, 0.9, 0.3, 0.7])
    assert rate.probabilities(chosen, 1).tolist() == [0, 1, 0, 1]
    assert rate.probabilities(1 - chosen, 2).tolist() == [0, 1, 0, 1]
    # an excluded one makes room for the next in the first ranking
    excluded = torch.tensor([False, True, False, False])
    assert rate.probabilities(1 - chosen, 3, excluded).tolist() == [0, 0, 1, 1]
    assert rate.probabilities(1 - chosen, 4).tolist() == [0, 1, 0, 1]
    with pytest.raises(StateError, match="4 examples were ranked and there are 5 now"):
        rate.probabilities(ranks(5), 5)


def test_top_k_takes_its_share_of_what_was_seen_when_it_was_told_to() -> None:
    told = TopK(0.75, settle=2)
    assert told.probabilities(torch.tensor([0.1, 0.2, 0.3, 0.4]), 1).tolist() == [0] * 4
    partly = torch.tensor([0.1, 0.9, math.nan, 0.7, math.nan])
    assert told.probabilities(partly, 2).tolist() == [0, 1, 0, 1, 0]  # round(0.75 x 3); the unseen never
    assert told.probabilities(torch.ones(5), 3).tolist() == [0, 1, 0, 1, 0]
    assert TopK(1.0).probabilities(partly, 1).tolist() == [1, 1, 0, 1, 0]
    assert TopK(0.5).probabilities(torch.ones(4), 1).tolist() == [1, 1, 0, 0]  # the lower index
    with pytest.raises(SettingsError, match="settle is 0"):
        TopK(0.5, settle=0)


# ---- names and ranges


def test_a_rate_is_built_from_its_name_and_options() -> None:
    assert build_rate("rank", mean=0.2, gamma=-1.0, p_max=0.5) == RankRate(0.2, -1.0, 0.0, 0.5)
    assert build_rate("threshold", at=0.8) == Threshold(0.8)
    assert repr(build_rate("top-k", share=0.1, settle=3)) == "TopK(share=0.1, settle=3)"
    assert rate_option_names("rank") == ("mean", "gamma", "p_min", "p_max")


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("rnak", {}, "unknown rate 'rnak': did you mean rank"),
        ("never", {"mean": 0.5}, "rate 'never' has no option 'mean': it takes no option"),
        ("uniform", {"gamma": 1.0}, "rate 'uniform' has no option 'gamma': it takes mean"),
        ("uniform", {"mean": 1.5}, r"mean is 1.5: .*\[0, 1\]"),
        ("uniform", {"mean": math.nan}, "mean is nan"),
        ("rank", {"mean": 0.1, "p_min": 0.2}, r"mean is 0.1: .*\[0.2, 1\]"),
        ("rank", {"p_min": 0.7, "p_max": 0.3}, "p_min is 0.7 and p_max 0.3"),
        ("rank", {"p_max": 1.2}, "p_max 1.2"),
        ("rank", {"gamma": math.inf}, "gamma is inf"),
        ("threshold", {"at": -0.1}, "at is -0.1"),
        ("top-k", {"share": 1.1}, "share is 1.1"),
        ("top-k", {"settle": -1}, "settle is -1"),
    ],
)
def test_names_and_options_that_are_not_known_or_outside_their_range_are_refused(
    name: str, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        build_rate(name, **options)


def test_the_rule_itself_refuses_what_it_cannot_meet() -> None:
    with pytest.raises(SettingsError, match=r"mean is 0\.9"):
        rate_of_ranks(ranks(5), 0.9, 1.0, 0.0, 0.8)
