"""InfoBatch against its rule in plain Python, and its expectation."""

import math

import pytest
import torch

from rheostat.select.policies import PruneAndRescale
from rheostat.signals import cross_entropy
from tests.select.policies.rounds import candidates_with, probabilities, some_scores, weights


def by_hand(scores: list[float], mean: float, drop: float) -> tuple[list[float], list[float]]:
    probability = [1 - drop if score < mean else 1.0 for score in scores]
    return probability, [1 / p for p in probability]


@pytest.mark.parametrize("drop", [0.0, 0.3, 0.5, 0.9])
def test_below_the_mean_of_all_last_losses_a_share_is_dropped_and_the_rest_rescaled(drop: float) -> None:
    scores, mean = some_scores(60), 1.4
    choice = PruneAndRescale(drop=drop).choose(candidates_with(scores, typical=torch.tensor(mean)))
    probability, weight = by_hand(scores.tolist(), mean, drop)
    assert choice.probability.tolist() == pytest.approx(probability)
    assert choice.weight is not None
    assert choice.weight.tolist() == pytest.approx(weight)


def test_the_expected_sum_of_gradients_is_that_of_all_examples(generator: torch.Generator) -> None:
    scores, gradients = some_scores(40), torch.randn(40, 3, generator=generator)
    policy = PruneAndRescale(drop=0.7)
    expected = (probabilities(policy, scores) * weights(policy, scores)) @ gradients
    torch.testing.assert_close(expected, gradients.sum(dim=0))


def test_without_a_memory_the_mean_is_that_of_the_round_in_all_processes() -> None:
    scores = torch.tensor([0.0, 1.0, 2.0])
    assert probabilities(PruneAndRescale(), scores).tolist() == [0.5, 1.0, 1.0]  # a loss at the mean is not below it
    assert probabilities(PruneAndRescale(), scores, elsewhere=torch.tensor([9.0])).tolist() == [0.5, 0.5, 0.5]
    assert probabilities(PruneAndRescale(), scores, elsewhere=torch.tensor([-9.0])).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("mean", [math.inf, math.nan])
def test_before_any_loss_is_known_everything_is_kept(mean: float) -> None:
    hard = torch.full((4,), math.inf)
    assert probabilities(PruneAndRescale(), hard, typical=torch.tensor(mean)).tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("epochs", "full", "first"),
    [(16, 0.125, 14), (200, 0.125, 175), (10, 0.125, 9), (4, 0.125, 4), (100, 0.29, 71), (100, 0.07, 93), (8, 1.0, 0)],
)
def test_the_last_epochs_train_on_everything(epochs: int, full: float, first: int) -> None:
    policy, scores = PruneAndRescale(epochs=epochs, full=full), some_scores(20)
    whole = [e for e in range(epochs) if (probabilities(policy, scores, epoch=e) == 1).all()]
    assert whole == list(range(first, epochs))
    for epoch in whole:
        assert weights(policy, scores, epoch=epoch).tolist() == [1.0] * 20


def test_without_the_length_of_the_run_no_epoch_is_full() -> None:
    assert probabilities(PruneAndRescale(), some_scores(20), epoch=10_000).min() == 0.5


def test_the_scores_are_the_losses_of_the_training_pass() -> None:
    traits = PruneAndRescale().traits
    assert (traits.source, traits.score, traits.reweights) == ("training", cross_entropy, True)
