"""Importance sampling against its algorithm in plain Python, and its expectation."""

import pytest
import torch

from rheostat.select.policies import Katharopoulos
from rheostat.select.policies.katharopoulos import importance
from rheostat.signals.scores import gradient_norm
from tests.select.policies.rounds import candidates_with, some_scores


def by_hand(scores: list[float]) -> tuple[list[float], list[float]]:
    shares, weights = [], []
    for score in scores:
        share = score / sum(scores) if sum(scores) > 0 else 1 / len(scores)
        shares.append(share)
        weights.append(1 / (len(scores) * share) if share > 0 else 0.0)
    return shares, weights


@pytest.mark.parametrize(
    "scores",
    [some_scores(50).tolist(), [0.0, 0.5, 0.0, 1.5], [0.0, 0.0, 0.0], [0.7]],
    ids=["some", "some of them 0", "all 0", "one"],
)
def test_shares_and_weights_are_those_of_the_algorithm(scores: list[float]) -> None:
    share, weight = importance(torch.tensor(scores))
    expected_share, expected_weight = by_hand(scores)
    assert share.tolist() == pytest.approx(expected_share, rel=1e-5)
    assert weight.tolist() == pytest.approx(expected_weight, rel=1e-5)


def test_the_weighted_mean_over_the_draws_is_unbiased(generator: torch.Generator) -> None:
    scores, gradients = some_scores(40), torch.randn(40, 3, generator=generator)
    choice = Katharopoulos(pool=40, keep=10).choose(candidates_with(scores))
    assert choice.weight is not None
    expected = (choice.probability * choice.weight) @ gradients
    torch.testing.assert_close(expected, gradients.mean(dim=0))
    assert (choice.probability * choice.weight).sum().item() == pytest.approx(1)  # the mean weight of what is drawn


def test_the_draws_of_a_score_average_to_that_of_the_pool(generator: torch.Generator) -> None:
    values = some_scores(64, seed=5)
    choice = Katharopoulos(pool=64, keep=16).choose(candidates_with(some_scores(64).clamp(min=0.2)))
    assert choice.weight is not None
    drawn = torch.multinomial(choice.probability, 40_000, replacement=True, generator=generator)
    # values up to 2 with weights up to 5: a standard deviation below 2.5, of the mean of 40,000 below 0.013
    assert (choice.weight * values)[drawn].mean().item() == pytest.approx(values.mean().item(), abs=0.05)
    assert values[drawn].mean().item() == pytest.approx((choice.probability @ values).item(), abs=0.05)


def test_a_score_below_0_counts_as_0_and_is_never_drawn() -> None:
    share, weight = importance(torch.tensor([-1.0, 1.0, 3.0]))
    assert share.tolist() == [0.0, 0.25, 0.75]
    assert weight.tolist() == pytest.approx([0.0, 4 / 3, 4 / 9])


def test_a_weight_is_finite_however_small_the_share() -> None:
    _, weight = importance(torch.tensor([1e-40, 1.0, 1e-30]))
    assert weight.isfinite().all()


def test_the_three_forms_of_the_thesis() -> None:
    scores = torch.tensor([0.2, 0.6, 1.2])
    kath18 = Katharopoulos(pool=3, keep=2)
    biased = Katharopoulos(pool=3, keep=2, reweight=False)
    uniform = Katharopoulos(pool=3, keep=2, uniform=True)

    assert kath18.choose(candidates_with(scores)).probability.tolist() == pytest.approx([0.1, 0.3, 0.6])
    assert biased.choose(candidates_with(scores)).probability.tolist() == pytest.approx([0.1, 0.3, 0.6])
    assert biased.choose(candidates_with(scores)).weight is None
    unscored = uniform.choose(candidates_with(torch.full((3,), torch.nan)))
    assert len(set(unscored.probability.tolist())) == 1
    assert unscored.weight is None
    assert unscored.draws == 2
    assert [policy.traits.needs_score for policy in (kath18, biased, uniform)] == [True, True, False]
    assert [policy.traits.reweights for policy in (kath18, biased, uniform)] == [True, False, False]
    assert {policy.traits.pool for policy in (kath18, biased, uniform)} == {3}


def test_the_defaults_are_those_of_the_thesis() -> None:
    policy = Katharopoulos()
    assert (policy.pool, policy.keep, policy.traits.score) == (1024, 128, gradient_norm)
    assert policy.choose(candidates_with(some_scores(1024))).draws == 128


@pytest.mark.parametrize(("size", "draws"), [(0, 0), (1, 1), (3, 1), (12, 2), (20, 3), (64, 8), (128, 16)])
def test_a_round_that_is_no_whole_pool_is_drawn_from_in_proportion(size: int, draws: int) -> None:
    assert Katharopoulos(pool=64, keep=8).choose(candidates_with(some_scores(size))).draws == draws


def test_a_whole_number_from_a_flag_is_an_int() -> None:
    assert repr(Katharopoulos(keep=128.0).keep) == "128"
