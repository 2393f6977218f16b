"""Selective-Backprop by the loss itself, and by its percentile."""

import pytest
import torch

from rheostat.select import Percentile, SelectiveBackprop
from rheostat.select.policies.biggest_losers import loss_as_probability, percentile_as_probability
from rheostat.signals import euclidean
from tests.select.policies.rounds import probabilities, some_scores


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


def test_a_percentile_is_of_the_scores_of_all_processes() -> None:
    here, there = torch.tensor([1.0]), torch.tensor([0.1, 0.2, 3.0])
    assert probabilities(Percentile(history=8), here, elsewhere=there).item() == pytest.approx(2.5 / 4)
    assert probabilities(Percentile(history=8), here).item() == pytest.approx(0.5)
