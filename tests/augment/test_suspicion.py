"""What is put before a person, and in which order, held against the rule written out over lists."""

import math
import random

import numpy as np
import pytest
import torch
from torch import Tensor

from rheostat.augment.sampling import Suspects
from rheostat.augment.suspicion import quarantined, suspects
from rheostat.errors import DataError, SettingsError, StateError
from rheostat.signals import ExampleLog

NAN = math.nan


def some_scores(size: int = 1000, seed: int = 0) -> Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ranking(score: Tensor) -> list[int]:
    """Indices of the seen, the most suspect first, of equal ones the lower index."""
    seen = [index for index, value in enumerate(score.tolist()) if not math.isnan(value)]
    return sorted(seen, key=lambda index: (-score[index].item(), index))


def written_out(
    score: Tensor, permutation: list[int], number: int, rounds: int, audits: float
) -> list[tuple[set[int], set[int], set[int]]]:
    """What is shown, what is an audit and what is a suspect at the end of each round."""
    found = []
    for turn in range(rounds):
        until = number * (turn + 1) // rounds
        beyond = round(audits * until)
        top = set(ranking(score)[: until - beyond])
        drawn: set[int] = set()
        for index in permutation:
            if len(drawn - top) == beyond:
                break
            drawn.add(index)
        found.append((top | drawn, drawn, top))
    return found


# ---- the list


@pytest.mark.parametrize(("budget", "rounds", "audits"), [(0.05, 5, 0.1), (0.3, 4, 0.4), (1.0, 3, 0.25), (0.01, 5, 0)])
def test_a_list_is_the_one_written_out(budget: float, rounds: int, audits: float) -> None:
    score = some_scores()
    permutation = np.random.default_rng([7, 0]).permutation(1000).tolist()
    found = suspects(score, budget, rounds=rounds, audits=audits, seed=7)
    shown: set[int] = set()
    earlier: set[int] = set()
    rounds_of_it = written_out(score, permutation, round(budget * 1000), rounds, audits)
    for turn, (all_of_it, _, top) in enumerate(rounds_of_it):
        assert set(found.index[found.round == turn].tolist()) == all_of_it - shown
        assert set(found.index[found.ranked == turn].tolist()) == top - earlier
        shown, earlier = all_of_it, top
    assert set(found.index[found.audit].tolist()) == rounds_of_it[-1][1]
    assert len(found) == round(budget * 1000) == len(set(found.index.tolist()))
    assert found.rounds == rounds
    assert (np.diff(found.round) >= 0).all()
    assert found.score.tolist() == score[found.index].tolist()
    assert (found.size, found.budget) == (1000, budget)


def test_rounds_are_of_equal_size_and_each_has_its_share_of_audits() -> None:
    found = suspects(some_scores(), 0.1, rounds=5, audits=0.2)
    for turn in range(5):
        mine = found.round == turn
        assert mine.sum() == 20
        assert (found.ranked[mine] < 0).sum() == pytest.approx(4, abs=1)


def test_an_example_that_is_audit_and_suspect_is_reviewed_once_and_is_both() -> None:
    found = suspects(some_scores(), 0.5, audits=0.3, seed=1)
    both = found.audit & (found.ranked >= 0)
    assert both.any()
    assert len(set(found.index.tolist())) == len(found) == 500
    assert (found.audit | (found.ranked >= 0)).all()
    assert (found.round[both] <= found.ranked[both]).all()
    assert (found.round[both] < found.ranked[both]).any()  # as an audit, before its rank's round


def test_audits_are_a_simple_random_sample_whatever_the_ranking() -> None:
    score, times = torch.arange(40.0), 4000
    hits = np.zeros(40)
    for seed in range(times):
        found = suspects(score, 0.5, rounds=2, audits=0.4, seed=seed)
        hits[found.index[found.ranked < 0]] += 1
    assert (hits[28:] == 0).all()  # the suspects
    expected = times * 8 / 28
    assert np.abs(hits[:28] - expected).max() < 4.5 * math.sqrt(expected * (1 - 8 / 28))


def test_audits_do_not_depend_on_the_ranking_or_the_budget_but_on_the_seed() -> None:
    def prefix(score: Tensor, budget: float, seed: int = 0) -> set[int]:
        found = suspects(score, budget, audits=0.5, seed=seed)
        return set(found.index[found.audit].tolist())

    a, b, c = (prefix(some_scores(seed=seed), budget) for seed, budget in ((0, 0.1), (1, 0.1), (2, 0.3)))
    assert a <= b or b <= a
    assert a <= c
    assert b <= c
    assert not a <= prefix(some_scores(), 0.3, seed=1)


def test_the_order_within_a_round_is_random() -> None:
    first = [suspects(torch.arange(100.0), 0.2, rounds=1, audits=0.5, seed=seed).audit[0] for seed in range(400)]
    assert np.mean(first) == pytest.approx(0.5, abs=0.15)  # audits come neither first nor last
    score = suspects(torch.arange(100.0), 0.5, rounds=1, audits=0).score
    assert (np.diff(score) > 0).any()
    assert (np.diff(score) < 0).any()


def test_the_same_arguments_give_the_same_list_and_move_no_global_state() -> None:
    random.seed(0)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    one, other = suspects(some_scores(), seed=3), suspects(some_scores(), seed=3)
    assert one.index.tolist() == other.index.tolist()
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])
    assert one.index.tolist() != suspects(some_scores(), seed=4).index.tolist()


def test_what_was_never_seen_is_no_suspect_but_may_be_audited() -> None:
    score = torch.full((200,), NAN)
    score[::40] = torch.arange(5.0)
    found = suspects(score, 0.5, audits=0.5, rounds=2)
    ranked = found.ranked >= 0
    assert sorted(found.index[ranked].tolist()) == [0, 40, 80, 120, 160]
    assert np.isnan(found.score[~ranked]).any()
    assert (found.ranked < 0).sum() == 50  # no more audits because suspects are few
    assert not np.isnan(found.score[ranked]).any()


def test_of_equal_scores_the_lower_index_comes_first() -> None:
    found = suspects(torch.ones(100), 0.1, audits=0, rounds=10)
    assert found.index.tolist() == list(range(10))


def test_what_was_reviewed_is_spent_from_the_budget_and_not_shown_again() -> None:
    score = some_scores()
    before = suspects(score, 0.1, rounds=2, audits=0.2, seed=5)
    done = before.index[before.round == 0].tolist()
    again = suspects(some_scores(seed=9), 0.1, rounds=3, audits=0.2, reviewed=done, seed=5)
    assert len(again) == 100 - len(done)
    assert not set(again.index.tolist()) & set(done)
    assert again.reviewed.tolist() == sorted(done)
    permutation = np.random.default_rng([5, 0]).permutation(1000).tolist()
    goes_on = [index for index in permutation if index not in done]
    audits = set(again.index[again.audit].tolist())
    assert audits == set(goes_on[: len(audits)])  # where those of the earlier list ended
    spent = suspects(score, 0.05, reviewed=done + again.index.tolist())
    assert (len(spent), spent.rounds) == (0, 0)


def test_small_and_full_budgets() -> None:
    assert len(suspects(torch.arange(10.0), 0.001)) == 1
    everything = suspects(torch.arange(10.0), 1.0, audits=0.3)
    assert sorted(everything.index.tolist()) == list(range(10))
    assert len(suspects(torch.arange(10.0), 0.3, rounds=8)) == 3


def test_a_log_is_ranked_by_the_score_of_that_name() -> None:
    log = ExampleLog(50)
    logits = torch.zeros(50, 3)
    logits[:, 0] = torch.arange(50.0).flip(0) - 10  # the given label 0 is the less likely the higher the index
    log.observe(torch.arange(50), logits, torch.zeros(50, dtype=torch.long), 0)
    found = suspects(log, 0.1, audits=0, rounds=5)
    assert found.index.tolist() == [49, 48, 47, 46, 45]
    assert suspects(log, 0.1, audits=0, score="aum").index.tolist() == found.index.tolist()
    with pytest.raises(SettingsError, match="disagreemnt"):
        suspects(log, score="disagreemnt")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"budget": 0.0}, r"budget is 0.0: .* \(0, 1\]"),
        ({"budget": 1.01}, r"budget is 1.01"),
        ({"budget": NAN}, r"budget is nan"),
        ({"audits": 1.0}, r"audits is 1.0: .* \[0, 1\)"),
        ({"audits": -0.1}, r"audits is -0.1"),
        ({"rounds": 0}, r"rounds is 0"),
        ({"seed": -1}, r"seed is -1"),
    ],
)
def test_arguments_outside_their_range_are_refused(options: dict[str, float], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        suspects(some_scores(), **options)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("index", [-1, 1000])
def test_a_reviewed_example_that_is_not_there_is_named(index: int) -> None:
    with pytest.raises(DataError, match=f"index {index} and the data set has 1000 examples"):
        suspects(some_scores(), reviewed=[3, index, 5])


def test_a_run_without_a_log_and_a_score_of_a_wrong_shape_are_refused() -> None:
    with pytest.raises(StateError, match="none of 20 examples has been seen"):
        suspects(torch.full((20,), NAN))
    with pytest.raises(StateError, match="none of 20 examples has been seen"):
        suspects(ExampleLog(20))
    with pytest.raises(DataError, match=r"shape \[20, 3\]"):
        suspects(torch.zeros(20, 3))


def test_a_list_has_a_length_and_rounds() -> None:
    empty = np.zeros(0, np.int64)
    made = Suspects(empty, empty * 1.0, empty, empty > 0, empty, empty, size=5, budget=0.5)
    assert (len(made), made.rounds) == (0, 0)


# ---- quarantine


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("share", [0.0, 0.004, 0.05, 0.3, 1.0])
def test_the_most_suspect_are_in_quarantine(share: float, seed: int) -> None:
    score = (some_scores(120, seed) * 20).round()  # many alike
    score[::7] = NAN
    expected = set(ranking(score)[: round(share * 120)])
    assert set(quarantined(score, share).nonzero().flatten().tolist()) == expected
    released = some_scores(120, seed + 10) < 0.5
    left = quarantined(score, share, released=released)
    assert set(left.nonzero().flatten().tolist()) == {index for index in expected if not released[index]}


def test_before_anything_is_seen_nothing_is_in_quarantine() -> None:
    assert not quarantined(torch.full((30,), NAN), 0.5).any()


@pytest.mark.parametrize("share", [-0.1, 1.1, NAN])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(SettingsError, match=f"share is {share}"):
        quarantined(some_scores(), share)
