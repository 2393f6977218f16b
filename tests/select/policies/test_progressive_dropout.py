"""Progressive Data Dropout against its rule in plain Python."""

import pytest
import torch

from rheostat.select.policies import MatchedRandom, ProgressiveDropout
from rheostat.signals.scores import doubt
from tests.select.policies.rounds import probabilities


def of_probabilities(given: list[float]) -> torch.Tensor:
    return 1 - torch.tensor(given)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 1.0])
def test_an_example_is_kept_if_the_probability_of_its_class_is_below_the_threshold(threshold: float) -> None:
    given = [step / 100 for step in range(101) if abs(step / 100 - threshold) > 1e-6]
    expected = [1.0 if p < threshold else 0.0 for p in given]
    assert probabilities(ProgressiveDropout(threshold), of_probabilities(given)).tolist() == expected


def test_at_the_threshold_it_is_not_below() -> None:
    for step in range(1, 1001):
        assert probabilities(ProgressiveDropout(step / 1000), of_probabilities([step / 1000])).item() == 0


def test_the_score_is_the_doubt_about_the_class() -> None:
    logits = torch.tensor([[0.29, 0.71], [0.31, 0.69]]).log()
    policy = ProgressiveDropout(0.3)
    assert policy.traits.score is doubt
    assert probabilities(policy, policy.traits.score(logits, torch.tensor([0, 0]))).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(("revision", "whole"), [(0, []), (1, [7]), (3, [5, 6, 7])])
@pytest.mark.parametrize("decay", [None, 0.5])
def test_the_last_epochs_revise_everything(revision: int, whole: list[int], decay: float | None) -> None:
    policy, learnt = ProgressiveDropout(epochs=8, revision=revision, decay=decay), of_probabilities([0.9, 0.99])
    kept = [epoch for epoch in range(1, 8) if probabilities(policy, learnt, epoch=epoch).tolist() == [1.0, 1.0]]
    assert kept == whole


def test_without_the_length_of_the_run_nothing_is_revised() -> None:
    assert probabilities(ProgressiveDropout(), of_probabilities([0.9]), epoch=10_000).item() == 0


def test_with_a_decay_anything_is_kept_and_ever_less() -> None:
    policy, unscored = ProgressiveDropout(decay=0.8), torch.full((3,), torch.nan)
    assert not policy.traits.needs_score
    for epoch in range(5):
        assert probabilities(policy, unscored, epoch=epoch).tolist() == pytest.approx([0.8**epoch] * 3)


def test_the_schedule_matched_control_keeps_as_many_but_any() -> None:
    scores = of_probabilities([0.1, 0.2, 0.6, 0.9])
    matched = MatchedRandom(ProgressiveDropout(0.3, epochs=4))
    assert probabilities(matched, scores).tolist() == [0.5] * 4
    assert probabilities(matched, scores, epoch=3).tolist() == [1.0] * 4
