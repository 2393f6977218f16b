"""Importance weights for other policies, against plain Python and their expectation."""

import pytest
import torch

from rheostat.errors import SettingsError, StateError
from rheostat.select import MatchedRandom, Percentile, Policy, Random, SelectiveBackprop, TopK, Uniform
from rheostat.select.policies import Katharopoulos, PruneAndRescale, Reweighted
from rheostat.select.policies.reweighted import inverse_probability
from tests.select.policies.rounds import candidates_with, probabilities, some_scores, weights

REFERENCES = [SelectiveBackprop(0.1), Percentile(1.0, 64), Random(0.3), MatchedRandom(SelectiveBackprop(0.1))]


def by_hand(probabilities: list[float]) -> list[float]:
    possible = [p for p in probabilities if p > 0]
    return [sum(possible) / len(possible) / p if p > 0 else 0.0 for p in probabilities]


@pytest.mark.parametrize(
    "given",
    [[0.1, 0.5, 1.0, 0.4], [0.0, 0.25, 0.0, 0.75], [1.0, 1.0], [0.0, 0.0], [3.0, 1.0]],
    ids=["all possible", "some impossible", "all certain", "none possible", "in another unit"],
)
def test_weights_are_the_mean_probability_by_each(given: list[float]) -> None:
    assert inverse_probability(torch.tensor(given)).tolist() == pytest.approx(by_hand(given))


@pytest.mark.parametrize("reference", REFERENCES, ids=repr)
def test_the_weights_of_the_kept_have_the_expectation_1_and_their_gradients_that_of_all(
    reference: Policy, generator: torch.Generator
) -> None:
    scores, gradients = some_scores(40), torch.randn(40, 3, generator=generator)
    choice = Reweighted(reference).choose(candidates_with(scores))
    probability, weight = choice.probability, choice.weight
    assert weight is not None
    assert (probability * weight).sum().item() == pytest.approx(probability.sum().item(), rel=1e-5)
    expected = (probability * weight) @ gradients / probability.sum()
    torch.testing.assert_close(expected, gradients.mean(dim=0))


def test_it_keeps_what_its_reference_keeps() -> None:
    scores = some_scores(40)
    assert torch.equal(probabilities(Reweighted(SelectiveBackprop(0.1)), scores), scores.clamp(0.1, 1))


def test_draws_in_proportion_are_weighted_by_one_over_their_number_and_share() -> None:
    biased, unbiased = Katharopoulos(pool=40, keep=10, reweight=False), Katharopoulos(pool=40, keep=10)
    choice = Reweighted(biased).choose(candidates_with(some_scores(40)))
    assert choice.draws == 10
    assert choice.weight is not None
    torch.testing.assert_close(choice.weight, weights(unbiased, some_scores(40)))


def test_what_is_certain_to_be_kept_keeps_the_weight_1() -> None:
    scores = torch.tensor([0.5, 1.5, 1.0, 0.1])
    assert weights(Reweighted(TopK(0.5)), scores).tolist() == [0.0, 1.0, 1.0, 0.0]
    assert weights(Reweighted(Uniform()), scores).tolist() == [1.0] * 4


def test_a_probability_too_small_to_invert_has_no_infinite_weight() -> None:
    assert inverse_probability(torch.tensor([1e-40, 1.0])).isfinite().all()


def test_it_is_as_its_reference_but_for_the_weights() -> None:
    traits = Reweighted(Katharopoulos(pool=64, keep=8, reweight=False)).traits
    assert (traits.pool, traits.needs_score, traits.reweights) == (64, True, True)
    assert Reweighted(Uniform()).traits.keeps_all


@pytest.mark.parametrize(
    "reference", [Katharopoulos(), PruneAndRescale(), Reweighted(TopK())], ids=lambda policy: type(policy).__name__
)
def test_a_reference_that_reweights_itself_is_refused(reference: Policy) -> None:
    with pytest.raises(SettingsError, match=r"reference is \w+\(.*\): it gives weights itself: use it as it is"):
        Reweighted(reference)


def test_the_state_of_another_reference_is_refused() -> None:
    with pytest.raises(StateError, match="the saved policy is Percentile and this one TopK"):
        Reweighted(TopK()).load_state_dict(Reweighted(Percentile()).state_dict())
