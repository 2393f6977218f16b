"""RHO-LOSS against its rule in plain Python."""

import math
from pathlib import Path

import pytest
import torch

from rheostat.errors import DataError, SettingsError
from rheostat.select import Candidates
from rheostat.select.policies import ReducibleLoss, write_holdout
from rheostat.signals import cross_entropy
from tests.select.policies.rounds import some_scores

HOLDOUT = some_scores(100, seed=9)


def by_hand(index: list[int], loss: list[float], keep: float) -> set[int]:
    reducible = {i: one - HOLDOUT[i].item() for i, one in zip(index, loss, strict=True)}
    return set(sorted(index, key=lambda i: -reducible[i])[: math.ceil(keep * len(index))])


@pytest.mark.parametrize("keep", [0.1, 0.25, 1.0])
@pytest.mark.parametrize("size", [1, 20, 100])
def test_the_highest_losses_above_the_holdout_loss_are_kept(keep: float, size: int, generator: torch.Generator) -> None:
    index, loss = torch.randperm(100, generator=generator)[:size], some_scores(size)
    probability = ReducibleLoss(HOLDOUT, keep).choose(Candidates(index, loss)).probability
    assert set(probability.unique().tolist()) <= {0.0, 1.0}
    assert set(index[probability == 1].tolist()) == by_hand(index.tolist(), loss.tolist(), keep)


def test_a_high_loss_that_the_holdout_model_has_too_is_not_kept() -> None:
    noisy, learnable, learnt = 4.0, 3.0, 0.1
    policy = ReducibleLoss(torch.tensor([3.9, 0.2, 0.1]), keep=1 / 3)
    choice = policy.choose(Candidates(torch.arange(3), torch.tensor([noisy, learnable, learnt])))
    assert choice.probability.tolist() == [0.0, 1.0, 0.0]


def test_the_losses_may_be_in_a_file(tmp_path: Path) -> None:
    write_holdout(tmp_path / "holdout.npy", HOLDOUT)
    round_ = Candidates(torch.arange(50), some_scores(50))
    for path in (tmp_path / "holdout.npy", str(tmp_path / "holdout.npy")):
        of_file = ReducibleLoss(path, 0.2).choose(round_)
        assert torch.equal(of_file.probability, ReducibleLoss(HOLDOUT, 0.2).choose(round_).probability)


def test_the_score_is_the_cross_entropy_and_the_pool_is_passed_on() -> None:
    traits = ReducibleLoss(HOLDOUT, pool=320).traits
    assert (traits.score, traits.pool, traits.reweights) == (cross_entropy, 320, False)


@pytest.mark.parametrize("epoch", [0, 4])
def test_a_candidate_without_a_holdout_loss_is_named(epoch: int) -> None:
    holdout = HOLDOUT.clone()
    holdout[7] = math.nan
    policy = ReducibleLoss(holdout)
    assert policy.choose(Candidates(torch.arange(7), some_scores(7))).probability.sum() == 1
    with pytest.raises(DataError, match=r"example 7 has no holdout loss among the 100 .*`holdout_losses`"):
        policy.choose(Candidates(torch.arange(20), some_scores(20), epoch))
    with pytest.raises(DataError, match=r"example 100 has no holdout loss"):
        ReducibleLoss(HOLDOUT).choose(Candidates(torch.tensor([3, 100]), some_scores(2), epoch))


@pytest.mark.parametrize(
    ("holdout", "said"),
    [
        (torch.zeros(3, 2), r"holdout are \[3, 2\] and must be one number per example"),
        (torch.empty(0), r"none of 0 is a number"),
        (torch.full((4,), math.nan), r"none of 4 is a number"),
        (torch.tensor([0.0, math.inf]), r"holdout: that of example 1 is infinite"),
    ],
)
def test_what_are_no_losses_is_refused_at_once(holdout: torch.Tensor, said: str) -> None:
    with pytest.raises(DataError, match=said):
        ReducibleLoss(holdout)


def test_a_pool_below_1_is_refused() -> None:
    with pytest.raises(SettingsError, match="pool is 0: there must be at least 1"):
        ReducibleLoss(HOLDOUT, pool=0)


def test_it_can_be_printed_and_compared() -> None:
    assert repr(ReducibleLoss(HOLDOUT)) == "ReducibleLoss(<100 losses>, keep=0.1, pool=None)"
    policy = ReducibleLoss(HOLDOUT)
    assert policy == policy
    assert policy != ReducibleLoss(HOLDOUT)
    assert len({policy, policy}) == 1
