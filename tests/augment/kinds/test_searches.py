"""Random search and evolution: their rules against plain Python, and whether they beat uniform draws."""

import math

import pytest
import torch

from rheostat.augment.kinds import Evolution, RandomSearch
from rheostat.augment.kinds.population import best_of, drawn_from, probabilities_of
from tests.augment.kinds.toys import BATCH, one_good_arm, play

FEW = ("rotate", "color", "invert")  # 5 arms at two bins


def test_a_genotype_is_a_softmax_with_a_floor() -> None:
    probability = probabilities_of(torch.tensor([[[0.0, 0.0, 100.0, 0.0]]]), floor=0.2)
    torch.testing.assert_close(probability, torch.tensor([[[0.05, 0.05, 0.85, 0.05]]]))


def test_arms_are_drawn_by_their_probability(generator: torch.Generator) -> None:
    expected = torch.tensor([0.1, 0.0, 0.6, 0.3])
    arm = drawn_from(expected.expand(50_000, -1), generator)
    torch.testing.assert_close(torch.bincount(arm, minlength=4) / 50_000, expected, atol=0.01, rtol=0)
    never = drawn_from(torch.tensor([[1.0 - 1e-7, 0.0]]).expand(1_000, -1), generator)  # rounds to a sum below 1
    assert never.max() <= 1


def test_the_fittest_of_each_context_wins_and_the_first_of_equals() -> None:
    genotypes = torch.arange(12.0).view(3, 2, 2)
    nan = torch.nan
    assert best_of(genotypes, torch.tensor([[0.5, 0.2], [0.5, nan], [0.4, 0.3]])).tolist() == [[0, 1], [10, 11]]
    assert best_of(genotypes, torch.tensor([[nan, nan]] * 3)).tolist() == [[0, 1], [2, 3]]


def test_fitness_is_the_mean_reward_of_what_a_member_drew(generator: torch.Generator) -> None:
    kind = RandomSearch(trials=4, contexts=2)
    sums: dict[tuple[int, int], list[float]] = {(member, context): [] for member in range(4) for context in range(2)}
    for _ in range(3):
        difficulty, reward = torch.rand(2, 60, generator=generator)
        choice = kind.choose(difficulty, generator)
        reward = reward.masked_fill(reward < 0.2, torch.nan)
        kind.reward(choice, difficulty, reward)
        for member, at, value in zip(choice.genotype.tolist(), difficulty.tolist(), reward.tolist(), strict=True):
            if not math.isnan(value):
                sums[member, int(at >= 0.5)].append(value)
    for (member, context), values in sums.items():
        assert float(kind.population.fitness[member, context]) == pytest.approx(sum(values) / len(values), abs=1e-5)
    assert kind.population.rewarded == sum(map(len, sums.values()))


def test_random_search_tries_all_then_keeps_to_the_best_for_good() -> None:
    kind = RandomSearch(trials=10, examples=400, contexts=2, bins=2, operations=FEW, floor=0.05, spread=2.0)
    worth = one_good_arm(2, 5, [0, 4])
    generator = torch.Generator().manual_seed(0)
    genotypes = kind.population.genotypes.clone()
    promise = (probabilities_of(genotypes, 0.05) * worth).sum(dim=2)  # mean reward of each trial and context
    play(kind, worth, 10 * 400 // BATCH, generator)
    assert kind.searching
    play(kind, worth, 1, generator)
    assert not kind.searching
    chosen = kind.population.genotypes[0]
    for context in range(2):
        trial = next(t for t in range(10) if torch.equal(chosen[context], genotypes[t, context]))
        assert promise[trial, context] > promise[:, context].max() - 0.06  # 200 rewards each: 2 standard errors
    before = str(kind.state_dict())
    context, arm = play(kind, worth, 10, generator)
    assert str(kind.state_dict()) == before
    assert worth[context, arm].mean() > worth.mean() + 0.05


def test_random_search_draws_genotypes_by_its_seed() -> None:
    one, same, other = RandomSearch(seed=1), RandomSearch(seed=1), RandomSearch(seed=2)
    assert torch.equal(one.population.genotypes, same.population.genotypes)
    assert not torch.equal(one.population.genotypes, other.population.genotypes)
    assert one.population.genotypes.std() == pytest.approx(3.0, rel=0.1)


def test_evolution_begins_uniform_and_mutates_the_winner() -> None:
    kind = Evolution(children=3, generation=10, bins=1, spread=0.5)
    parent, *children = kind.population.genotypes
    torch.testing.assert_close(parent.softmax(dim=-1), torch.full((1, 16), 1 / 16))
    difference = torch.stack([child - parent for child in children])
    assert (difference - difference.mean(dim=-1, keepdim=True)).std() == pytest.approx(0.5, rel=0.25)

    generator, difficulty = torch.Generator().manual_seed(0), torch.rand(40)
    choice = kind.choose(difficulty, generator)
    best = kind.population.genotypes[2].clone()
    kind.reward(choice, difficulty, (choice.genotype == 2).float())  # the second child wins
    assert kind.generations == 1
    torch.testing.assert_close(kind.population.genotypes[0], best)
    assert not torch.equal(kind.population.genotypes[1], children[0])
    assert kind.population.rewarded == 0


def test_the_parent_stays_where_no_child_is_better() -> None:
    kind = Evolution(children=3, generation=10, bins=1)
    generator, difficulty = torch.Generator().manual_seed(0), torch.rand(40)
    parent = kind.population.genotypes[0].clone()
    for rewards in (torch.ones(40), torch.zeros(40)):
        kind.reward(kind.choose(difficulty, generator), difficulty, rewards)
    assert kind.generations == 2
    torch.testing.assert_close(kind.population.genotypes[0], parent)


def test_a_generation_lasts_a_number_of_rewards(generator: torch.Generator) -> None:
    kind = Evolution(generation=1_000)
    play(kind, torch.full((1, len(kind.population.arms)), 0.5), 3, generator, known=0.5)  # 1,536, half of them known
    assert kind.generations == 0
    play(kind, torch.full((1, len(kind.population.arms)), 0.5), 2, generator, known=0.5)
    assert kind.generations == 1


@pytest.mark.parametrize("contexts", [1, 2])
def test_evolution_beats_uniform_draws(contexts: int) -> None:
    kind = Evolution(generation=2_000, contexts=contexts, bins=1, floor=0.1)
    worth = one_good_arm(contexts, 16, [3, 11][:contexts])
    generator = torch.Generator().manual_seed(0)
    play(kind, worth, 250, generator)
    context, arm = play(kind, worth, 16, generator)
    for number in range(contexts):
        earned = float(worth[number, arm[context == number]].mean())
        assert earned > float(worth.mean()) + 0.1, f"context {number}: {earned:.2f}"  # uniform: 0.225; best: 0.6
