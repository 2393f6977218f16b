"""Every policy against one contract, then each against its own rule."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from rheostat.errors import SettingsError
from rheostat.select import (
    Candidates,
    MatchedRandom,
    Percentile,
    Policy,
    Random,
    SelectiveBackprop,
    TopK,
    Uniform,
    build_policy,
    option_names,
    policy_names,
)
from rheostat.select.policies.biggest_losers import loss_as_probability, percentile_as_probability
from rheostat.signals import euclidean
from rheostat.signals.stateful import Stateful
from tests.select.toys import global_randomness_untouched, through_a_file

POLICIES: list[Callable[[], Policy]] = [
    Uniform,
    lambda: Random(0.3),
    lambda: SelectiveBackprop(floor=0.1),
    lambda: Percentile(beta=2.0, history=64),
    lambda: TopK(keep=0.3),
    lambda: MatchedRandom(SelectiveBackprop(floor=0.1)),
    lambda: MatchedRandom(Percentile(beta=2.0, history=64)),
]
every_policy = pytest.mark.parametrize("build", POLICIES, ids=[repr(build()) for build in POLICIES])


def candidates_with(scores: Tensor) -> Candidates:
    return Candidates(torch.arange(len(scores)), scores)


def some_scores(size: int, seed: int = 0) -> Tensor:
    """Different from each other, from 0 to 2 as the Euclidean score."""
    return 2 * torch.rand(size, generator=torch.Generator().manual_seed(seed))


def probabilities(policy: Policy, scores: Tensor) -> Tensor:
    return policy.keep_probability(candidates_with(scores))


# ---- one contract


def test_the_suite_covers_every_policy_that_has_a_name() -> None:
    assert {type(build()) for build in POLICIES} == {type(build_policy(name)) for name in policy_names()}


@every_policy
def test_a_policy_fulfils_the_protocol(build: Callable[[], Policy]) -> None:
    policy = build()
    assert isinstance(policy, Policy)
    assert isinstance(policy.needs_score, bool)
    assert isinstance(policy.keeps_all, bool)


@every_policy
@pytest.mark.parametrize("size", [0, 1, 7, 1_000_000])
def test_a_policy_gives_every_candidate_a_probability(build: Callable[[], Policy], size: int) -> None:
    probability = probabilities(build(), some_scores(size))
    assert probability.shape == (size,)
    assert probability.dtype == torch.float32
    assert ((probability >= 0) & (probability <= 1)).all()


@every_policy
def test_a_policy_goes_on_after_an_empty_round(build: Callable[[], Policy]) -> None:
    policy = build()
    probabilities(policy, some_scores(0))
    assert torch.equal(probabilities(policy, some_scores(9)), probabilities(build(), some_scores(9)))


@every_policy
def test_a_policy_moves_no_global_random_state(build: Callable[[], Policy]) -> None:
    with global_randomness_untouched():
        probabilities(build(), some_scores(50))


@every_policy
def test_a_policy_leaves_the_scores_as_they_are(build: Callable[[], Policy]) -> None:
    scores = some_scores(50)
    probabilities(build(), scores)
    assert torch.equal(scores, some_scores(50))


@every_policy
def test_the_order_of_the_candidates_does_not_matter(build: Callable[[], Policy], generator: torch.Generator) -> None:
    scores, order = some_scores(50), torch.randperm(50, generator=generator)
    torch.testing.assert_close(probabilities(build(), scores[order]), probabilities(build(), scores)[order])


@every_policy
def test_the_probability_never_falls_as_the_score_rises(build: Callable[[], Policy]) -> None:
    probability = probabilities(build(), some_scores(200).sort().values)
    assert (probability.diff() >= 0).all()


@every_policy
def test_a_resumed_policy_goes_on_as_the_uninterrupted_one(build: Callable[[], Policy]) -> None:
    uninterrupted, resumed = build(), build()
    for seed in range(3):
        probabilities(uninterrupted, some_scores(50, seed))
    if isinstance(uninterrupted, Stateful):
        assert isinstance(resumed, Stateful)
        resumed.load_state_dict(through_a_file(uninterrupted.state_dict()))
    for seed in range(3, 6):
        scores = some_scores(20, seed)
        assert torch.equal(probabilities(resumed, scores), probabilities(uninterrupted, scores))


@pytest.mark.parametrize(
    ("policy", "option", "outside", "allowed"),
    [
        (Random, "p", 0.0, "(0, 1]"),
        (Random, "p", 1.01, "(0, 1]"),
        (Random, "p", -0.5, "(0, 1]"),
        (Random, "p", math.nan, "(0, 1]"),
        (SelectiveBackprop, "floor", -0.01, "[0, 1]"),
        (SelectiveBackprop, "floor", 1.01, "[0, 1]"),
        (SelectiveBackprop, "floor", math.nan, "[0, 1]"),
        (Percentile, "beta", 0.0, "positive and finite"),
        (Percentile, "beta", -1.0, "positive and finite"),
        (Percentile, "beta", math.inf, "positive and finite"),
        (Percentile, "beta", math.nan, "positive and finite"),
        (Percentile, "history", 0, "at least 1"),
        (TopK, "keep", 0.0, "(0, 1]"),
        (TopK, "keep", 1.5, "(0, 1]"),
        (TopK, "keep", math.nan, "(0, 1]"),
    ],
)
def test_an_option_outside_its_range_is_refused_with_the_value_and_the_range(
    policy: Callable[..., Policy], option: str, outside: float, allowed: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        policy(**{option: outside})
    assert f"{option} is {outside}: " in str(refusal.value)
    assert allowed in str(refusal.value)


def test_the_ends_of_the_ranges_are_allowed() -> None:
    assert probabilities(Random(1.0), some_scores(9)).min() == 1
    assert probabilities(SelectiveBackprop(floor=1.0), some_scores(9)).min() == 1
    assert probabilities(TopK(keep=1.0), some_scores(9)).min() == 1
    assert probabilities(Percentile(history=1), torch.tensor([3.0])).item() == 0.5


# ---- Uniform, Random


def test_uniform_keeps_everything_and_needs_no_score() -> None:
    assert probabilities(Uniform(), torch.full((5,), torch.nan)).tolist() == [1.0] * 5
    assert Uniform().keeps_all
    assert not Uniform().needs_score


def test_random_keeps_everything_alike_and_needs_no_score() -> None:
    assert probabilities(Random(0.3), torch.full((5,), torch.nan)).tolist() == pytest.approx([0.3] * 5)
    assert not Random(0.3).keeps_all
    assert not Random(0.3).needs_score


# ---- SelectiveBackprop


@pytest.mark.parametrize(
    ("softmax", "expected"),
    [([0.1] * 10, 0.90), ([0.8] + [0.2 / 9] * 9, 0.044)],
    ids=["uniform softmax", "0.8 on the right class"],
)
def test_selective_backprop_gives_the_probabilities_worked_out_in_the_thesis(
    softmax: list[float], expected: float
) -> None:
    score = euclidean(torch.tensor([softmax]).log(), torch.tensor([0]))
    assert loss_as_probability(score, floor=0.0).item() == pytest.approx(expected, abs=5e-4)
    assert probabilities(SelectiveBackprop(floor=0.1), score).item() == pytest.approx(max(expected, 0.1), abs=5e-4)


def test_selective_backprop_is_the_loss_between_the_floor_and_1() -> None:
    scores = [0.0, 0.05, 0.2, 0.999, 1.0, 1.5, 2.0]
    expected = [max(min(score, 1.0), 0.1) for score in scores]
    assert probabilities(SelectiveBackprop(floor=0.1), torch.tensor(scores)).tolist() == pytest.approx(expected)


def test_a_floor_of_0_warns_that_training_may_starve() -> None:
    with pytest.warns(UserWarning, match=r"floor is 0: .*starve.*0\.1"):
        policy = SelectiveBackprop(floor=0.0)
    assert probabilities(policy, torch.zeros(2)).tolist() == [0.0, 0.0]


# ---- Percentile


def test_percentile_is_the_rank_among_recent_scores_to_the_power_of_beta() -> None:
    policy, recent = Percentile(beta=3.0, history=40), []
    for seed in range(4):
        scores = some_scores(15, seed).tolist()
        recent = [*recent, *scores][-40:]
        ranks = [(sum(r < s for r in recent) + sum(r == s for r in recent) / 2) / len(recent) for s in scores]
        expected = [rank**3 for rank in ranks]
        assert probabilities(policy, torch.tensor(scores)).tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("scale", [1.0, 1e-4], ids=["scores up to 2", "scores up to 0.0002"])
def test_percentile_keeps_one_in_beta_plus_1_whatever_the_scale_of_the_score(beta: float, scale: float) -> None:
    policy = Percentile(beta, history=1024)
    rounds = [probabilities(policy, scale * some_scores(64, seed)) for seed in range(200)]
    # 12,800 probabilities with a standard deviation below 0.3: 0.01 is nearly four standard errors
    assert torch.cat(rounds).mean().item() == pytest.approx(1 / (beta + 1), abs=0.01)


def test_a_percentile_of_1_is_always_kept_and_of_0_never() -> None:
    assert percentile_as_probability(torch.tensor([0.0, 0.5, 1.0]), beta=2.0).tolist() == [0.0, 0.25, 1.0]


# ---- TopK


@pytest.mark.parametrize("share", ["0.07", "0.25", "0.3", "0.55", "1", "0.001"])
@pytest.mark.parametrize("size", [0, 1, 7, 20, 100])
def test_top_k_keeps_exactly_the_highest_share_rounded_up(share: str, size: int) -> None:
    number = math.ceil(Fraction(share) * size)  # of the share as it is written, not of the nearest float
    scores = some_scores(size)
    kept = probabilities(TopK(keep=float(share)), scores).nonzero().flatten().tolist()
    assert set(kept) == set(sorted(range(size), key=lambda i: -scores[i])[:number])


def test_top_k_keeps_the_exact_number_among_equals_and_the_earlier_first() -> None:
    assert probabilities(TopK(keep=0.5), torch.tensor([1.0, 2.0, 1.0, 1.0])).tolist() == [1.0, 1.0, 0.0, 0.0]


# ---- MatchedRandom


@pytest.mark.parametrize(
    "reference",
    [Uniform, lambda: SelectiveBackprop(0.1), lambda: Percentile(2.0, 64), lambda: TopK(0.3)],
    ids=["uniform", "selective-backprop", "percentile", "top-k"],
)
def test_matched_random_keeps_as_many_as_its_reference_but_any(reference: Callable[[], Any]) -> None:
    matched, same = MatchedRandom(reference()), reference()
    for seed in range(3):
        scores = some_scores(40, seed)
        probability = probabilities(matched, scores)
        assert probability.mean().item() == pytest.approx(probabilities(same, scores).mean().item(), abs=1e-6)
        assert len(set(probability.tolist())) == 1
    assert matched.needs_score == same.needs_score


def test_the_choice_of_matched_random_does_not_depend_on_the_score(generator: torch.Generator) -> None:
    scores = some_scores(20_000, seed=1)
    draw = torch.rand(20_000, generator=generator)
    # scores are uniform in [0, 2]: standard deviation 0.58, of the mean of 10,000 of them 0.0058
    by_chance = scores[draw < probabilities(MatchedRandom(SelectiveBackprop(0.1)), scores)].mean().item()
    by_loss = scores[draw < probabilities(SelectiveBackprop(0.1), scores)].mean().item()
    assert by_chance == pytest.approx(1.0, abs=0.02)
    assert by_loss > 1.2


# ---- names


@pytest.mark.parametrize("name", policy_names())
def test_every_name_builds_a_policy(name: str) -> None:
    assert isinstance(build_policy(name), Policy)


def test_options_reach_the_policy_that_is_named() -> None:
    assert build_policy("percentile", beta=2.0, history=10) == Percentile(2.0, 10)
    assert build_policy("top-k", keep=0.1) == TopK(0.1)


def test_options_of_matched_random_are_those_of_its_reference() -> None:
    assert build_policy("matched-random") == MatchedRandom(SelectiveBackprop())
    assert build_policy("matched-random", floor=0.3) == MatchedRandom(SelectiveBackprop(0.3))
    assert build_policy("matched-random", reference="percentile", beta=3.0) == MatchedRandom(Percentile(3.0))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("uniform", ()),
        ("percentile", ("beta", "history")),
        ("matched-random", ("reference", "p", "floor", "beta", "history", "keep")),
    ],
)
def test_the_options_of_a_policy_can_be_asked_for(name: str, options: tuple[str, ...]) -> None:
    assert option_names(name) == options


@pytest.mark.parametrize("ask", [build_policy, option_names])
def test_an_unknown_policy_is_answered_with_the_nearest_names(ask: Callable[[str], Any]) -> None:
    with pytest.raises(SettingsError, match=r"unknown policy 'selective_backprop': did you mean selective-backprop\b"):
        ask("selective_backprop")


def test_an_unknown_reference_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(SettingsError, match=r"unknown policy 'percentil': did you mean percentile\b"):
        build_policy("matched-random", reference="percentil")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("random", {"floor": 0.1}, r"policy 'random' has no option 'floor': it takes p$"),
        ("percentile", {"window": 9}, r"policy 'percentile' has no option 'window': it takes beta, history$"),
        ("uniform", {"p": 0.1}, r"policy 'uniform' has no option 'p': it takes no option"),
        ("matched-random", {"beta": 1}, r"policy 'selective-backprop' has no option 'beta': it takes floor$"),
    ],
)
def test_an_unknown_option_is_answered_with_those_that_the_policy_takes(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        build_policy(name, **options)
