"""Draws: how often each candidate is kept, and what is said of probabilities and weights that are none."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rheostat.errors import ScoreError
from rheostat.select import Candidates, Choice, Katharopoulos, SelectiveLoader, Traits
from rheostat.select.drawing import drawn
from rheostat.signals import gradient_norm
from tests.select.toys import CLASSES, examples

SIGMAS = (
    5.0  # a fixed seed, so it either passes for ever or not; 5 sigma of 40 frequencies happen by chance 1 in 40,000
)


def keep(choice: Choice, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return drawn(choice, torch.arange(len(choice.probability)), None, generator).tolist()


def assert_frequencies(counts: Tensor, probabilities: Tensor, draws: int) -> None:
    """Binomial counts of `draws` trials are within `SIGMAS` of their expectation."""
    spread = (draws * probabilities * (1 - probabilities)).sqrt()
    assert ((counts - draws * probabilities).abs() <= SIGMAS * spread).all(), counts / draws


def test_each_is_kept_with_its_own_probability_and_in_order() -> None:
    probability, rounds = torch.tensor([0.0, 0.05, 0.3, 0.5, 0.9, 1.0]), 4000
    counts = torch.zeros(6)
    generator = torch.Generator().manual_seed(1)
    for _ in range(rounds):
        positions = drawn(Choice(probability), torch.arange(6), None, generator)
        assert positions.tolist() == sorted(set(positions.tolist()))
        counts[positions] += 1
    assert_frequencies(counts, probability, rounds)


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e6])
def test_draws_with_replacement_fall_in_proportion_in_any_unit(unit: float) -> None:
    weights, draws = torch.tensor([0.0, 1.0, 2.0, 3.0, 14.0]), 20000
    positions = keep(Choice(unit * weights, draws=draws), seed=2)
    assert len(positions) == draws
    assert_frequencies(torch.bincount(torch.tensor(positions), minlength=5), weights / 20, draws)


def test_more_can_be_drawn_than_there_are_and_none_can() -> None:
    assert keep(Choice(torch.tensor([0.0, 3.0]), draws=5)) == [1] * 5
    assert keep(Choice(torch.ones(3), draws=0)) == []
    assert keep(Choice(torch.zeros(3), draws=0)) == []
    assert keep(Choice(torch.zeros(3))) == []


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    for choice in (Choice(torch.full((50,), 0.5)), Choice(torch.ones(50), draws=20)):
        assert keep(choice, seed=3) == keep(choice, seed=3) != keep(choice, seed=4)


# ---- what cannot be drawn from


@pytest.mark.parametrize("draws", [None, 3], ids=["each on its own", "with replacement"])
@pytest.mark.parametrize("value", [-0.25, math.nan, math.inf, -math.inf])
def test_a_probability_that_is_none_is_named_with_its_example(value: float, draws: int | None) -> None:
    allowed = r"lie in \[0, 1\]" if draws is None else "be finite and not below 0"
    choice = Choice(torch.tensor([0.5, 0.5, value, 0.5]), draws=draws)
    with pytest.raises(ScoreError, match=rf"gave example 70 the probability {value}: it must {allowed}"):
        drawn(choice, torch.tensor([3, 1, 70, 2]), None, torch.Generator())


def test_only_with_replacement_may_a_probability_be_above_1() -> None:
    assert keep(Choice(torch.tensor([0.0, 1.5]), draws=1)) == [1]
    with pytest.raises(ScoreError, match=r"gave example 1 the probability 1.5: it must lie in \[0, 1\]"):
        keep(Choice(torch.tensor([0.0, 1.5])))


@pytest.mark.parametrize("draws", [None, 3], ids=["each on its own", "with replacement"])
@pytest.mark.parametrize("value", [-0.5, math.nan, math.inf])
def test_a_weight_that_is_none_is_named_with_its_example(value: float, draws: int | None) -> None:
    choice = Choice(torch.full((3,), 0.5), torch.tensor([1.0, value, 0.0]), draws)
    with pytest.raises(ScoreError, match=rf"gave example 1 the weight {value}: it must be finite and not below 0"):
        keep(choice)


def test_a_large_probability_is_not_blamed_for_a_weight() -> None:
    choice = Choice(torch.tensor([1.0, 3e38]), torch.tensor([1.0, -1.0]), draws=1)
    with pytest.raises(ScoreError, match=r"gave example 1 the weight -1.0"):
        keep(choice)


def test_with_nothing_to_draw_from_it_says_so() -> None:
    with pytest.raises(ScoreError, match=r"draws 2 of 3 candidates and gave all of them the probability 0: at least"):
        keep(Choice(torch.zeros(3), draws=2))


# ---- in training batches


class Repeats:
    """Draws 6 of each round, nearly all of them its first two candidates, with weights that tell who they are."""

    traits = Traits(needs_score=False, reweights=True)

    def choose(self, candidates: Candidates) -> Choice:
        first = torch.arange(len(candidates.index)) < 2
        return Choice(torch.where(first, 1.0, 1e-4), candidates.index / 8, 6)


def test_an_example_that_is_drawn_twice_is_in_the_batch_twice_with_its_weight() -> None:
    x, y = examples(40).tensors
    loader = list(zip(x.split(10), y.split(10), strict=True))
    batches = SelectiveLoader(loader, nn.Identity(), Repeats(), 4)
    seen = 0
    for (inputs, labels), kept in batches.with_kept():
        assert torch.equal(inputs, x[kept.index])
        assert torch.equal(labels, y[kept.index])
        assert torch.equal(kept.weight, kept.index / 8)
        seen += len(set(kept.index.tolist())) < 4
    assert seen == 6  # of 24 draws from hardly more than 2 examples per round
    assert batches.stats.kept == 24


@pytest.mark.parametrize(("reweight", "unbiased"), [(True, True), (False, False)], ids=["Kath18", "Kath18-Biased"])
def test_the_weighted_gradient_of_katharopoulos_has_the_plain_one_as_its_expectation(
    reweight: bool, unbiased: bool
) -> None:
    data = examples(240)
    model = nn.Linear(CLASSES, CLASSES)
    torch.nn.init.eye_(model.weight)
    torch.nn.init.zeros_(model.bias)
    x, y = data.tensors
    loader = [(x[:120], y[:120]), (x[120:], y[120:])]

    def gradient(inputs: Tensor, labels: Tensor, weight: Any) -> Tensor:
        model.zero_grad()
        (F.cross_entropy(model(inputs), labels, reduction="none") * weight).mean().backward()
        assert model.weight.grad is not None
        return model.weight.grad.flatten().clone()

    plain = gradient(x, y, 1.0)
    batches = SelectiveLoader(loader, model, Katharopoulos(pool=120, keep=24, reweight=reweight), 48, seed=5)
    found = []
    for _ in range(200):
        for (inputs, labels), kept in batches.with_kept():
            torch.testing.assert_close(kept.score, gradient_norm(inputs, labels), rtol=1e-4, atol=1e-5)
            found.append(gradient(inputs, labels, kept.weight))
    estimates = torch.stack(found)
    assert len(estimates) == 200  # 24 of each half make one batch of 48
    error = (estimates.mean(dim=0) - plain).abs() / (estimates.std(dim=0) / math.sqrt(len(estimates)))
    # the mean of 200 estimates in units of its own spread, over 16 entries: 4.5 happens by chance 1 in 10,000
    assert (error.max() < 4.5) == unbiased, error
