"""Everything, anything, and as many as another policy would."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from rheostat.errors import StateError
from rheostat.select import MatchedRandom, Percentile, Random, SelectiveBackprop, TopK, Uniform
from rheostat.select.policies import Katharopoulos, PruneAndRescale
from tests.select.policies.rounds import candidates_with, probabilities, some_scores


def test_uniform_keeps_everything_and_needs_no_score() -> None:
    assert probabilities(Uniform(), torch.full((5,), torch.nan)).tolist() == [1.0] * 5
    assert Uniform().traits.keeps_all
    assert not Uniform().traits.needs_score


def test_random_keeps_everything_alike_and_needs_no_score() -> None:
    assert probabilities(Random(0.3), torch.full((5,), torch.nan)).tolist() == pytest.approx([0.3] * 5)
    assert not Random(0.3).traits.keeps_all
    assert not Random(0.3).traits.needs_score


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
    assert matched.traits.needs_score == same.traits.needs_score


def test_the_choice_of_matched_random_does_not_depend_on_the_score(generator: torch.Generator) -> None:
    scores = some_scores(20_000, seed=1)
    draw = torch.rand(20_000, generator=generator)
    # scores are uniform in [0, 2]: standard deviation 0.58, of the mean of 10,000 of them 0.0058
    by_chance = scores[draw < probabilities(MatchedRandom(SelectiveBackprop(0.1)), scores)].mean().item()
    by_loss = scores[draw < probabilities(SelectiveBackprop(0.1), scores)].mean().item()
    assert by_chance == pytest.approx(1.0, abs=0.02)
    assert by_loss > 1.2


def test_matched_random_of_a_policy_that_draws_keeps_the_share_that_is_drawn_each_on_its_own() -> None:
    matched = MatchedRandom(Katharopoulos(pool=80, keep=20))
    choice = matched.choose(candidates_with(some_scores(80)))
    assert choice.draws is None
    assert choice.probability.tolist() == [0.25] * 80
    assert matched.traits.pool == 80


def test_matched_random_of_a_policy_that_reweights_has_nothing_to_reweight() -> None:
    choice = MatchedRandom(PruneAndRescale(drop=0.5)).choose(candidates_with(torch.tensor([0.0, 0.0, 2.0, 2.0])))
    assert choice.weight is None
    assert choice.probability.tolist() == [0.75] * 4
    assert not MatchedRandom(PruneAndRescale()).traits.reweights


def test_the_state_of_another_reference_is_refused() -> None:
    with pytest.raises(StateError, match="the saved policy is Percentile and this one TopK"):
        MatchedRandom(TopK()).load_state_dict(MatchedRandom(Percentile()).state_dict())
