"""The table of last scores, against a dictionary."""

import math

import pytest
import torch
from torch import Tensor

from rheostat.select.last_scores import LastScores
from rheostat.select.ranks import Ranks
from tests.select.toys import through_a_file

CPU = torch.device("cpu")


def table_of(scores: dict[int, tuple[float, int]], size: int = 0) -> LastScores:
    """A table with `index: (score, epoch)`."""
    table = LastScores(size, CPU)
    for index, (score, epoch) in scores.items():
        table.put(torch.tensor([index]), torch.tensor([score]), epoch)
    return table


def of(table: LastScores, *index: int) -> list[float]:
    return table.of(torch.tensor(index)).tolist()


def test_the_table_is_a_dictionary_of_last_scores_whatever_the_order() -> None:
    generator = torch.Generator().manual_seed(0)
    table, oracle = LastScores(0, CPU), dict[int, tuple[float, int]]()
    highest = -math.inf
    for epoch in range(4):
        for index in torch.randperm(60, generator=generator)[:40].split(7):
            score = 3 * torch.rand(len(index), generator=generator) - 1
            table.put(index, score, epoch)
            oracle |= {int(i): (float(s), epoch) for i, s in zip(index, score, strict=True)}
            highest = max(highest, float(score.max()))
            asked = torch.randperm(80, generator=generator)[:30]
            assert table.of(asked).tolist() == [oracle.get(int(i), (highest, 0))[0] for i in asked]
            for since in (-1, 0, 1, 2, 9):
                unscored = [int(i) not in oracle or oracle[int(i)][1] < max(since, 0) for i in asked]
                assert table.older(asked, since).tolist() == unscored
    assert float(table.mean()) == pytest.approx(math.fsum(s for s, _ in oracle.values()) / len(oracle))


def test_before_any_score_everything_counts_as_hard_as_1() -> None:
    table = LastScores(3, CPU)
    assert of(table, 0, 2, 9) == [1.0, 1.0, 1.0]
    assert math.isnan(float(table.mean()))


def test_an_unknown_example_is_as_hard_as_the_hardest_that_was_ever_seen_also_when_that_is_easy_now() -> None:
    table = table_of({0: (0.75, 0), 1: (0.25, 0)})
    assert of(table, 5) == [0.75]
    table.put(torch.tensor([0]), torch.tensor([0.125]), 1)
    assert of(table, 0, 5) == [0.125, 0.75]
    assert of(table_of({0: (-2.0, 0)}), 1) == [-2.0]  # scores may be below 0


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_given_back_as_it_is_and_makes_no_other_score(number: float) -> None:
    table = table_of({3: (0.5, 0), 4: (number, 1)})
    found = table.of(torch.tensor([3, 4]))
    assert found[0] == 0.5
    assert str(float(found[1])) == str(number)
    assert math.isfinite(of(table, 9)[0])


def test_a_score_that_is_no_number_hides_no_other_of_its_round() -> None:
    table = LastScores(4, CPU)
    table.put(torch.tensor([0, 1]), torch.tensor([0.25, 0.5]), 0)
    table.put(torch.tensor([2, 3]), torch.tensor([math.nan, 0.75]), 0)
    assert of(table, 9) in ([0.5], [0.75])


def test_it_grows_and_keeps_what_it_had() -> None:
    table = table_of({2: (0.5, 1)}, size=3)
    assert len(table) == 3
    table.put(torch.tensor([700, 5]), torch.tensor([0.75, 0.25]), 2)
    assert len(table) >= 701
    assert of(table, 2, 5, 700) == [0.5, 0.25, 0.75]
    assert table.older(torch.tensor([2, 5, 699, 1000]), 2).tolist() == [True, False, True, True]


def test_nothing_can_be_put_in_and_asked_for() -> None:
    table, none = LastScores(0, CPU), torch.empty(0, dtype=torch.int64)
    table.put(none, torch.empty(0), 0)
    assert table.of(none).tolist() == []
    assert table.sample(10).tolist() == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_scores_of_any_precision_are_taken(dtype: torch.dtype) -> None:
    table = LastScores(2, CPU)
    table.put(torch.tensor([1]), torch.tensor([0.5], dtype=dtype), 0)
    assert table.of(torch.tensor([0, 1])).dtype == torch.float32
    assert of(table, 0, 1) == [0.5, 0.5]


@pytest.mark.parametrize("number", [1, 4, 5, 6, 7, 19, 50, 100])
def test_a_sample_is_spread_evenly_over_all_examples_scored_or_not(number: int) -> None:
    table = LastScores(50, CPU)
    assert table.sample(number).tolist() == []  # nothing is known yet
    table.put(torch.tensor([3]), torch.tensor([0.5]), 0)
    index = table.sample(number)
    assert min(number, 50) / 2 <= len(index) <= number
    gaps: Tensor = index.diff()
    assert len(gaps) == 0 or (gaps == gaps[0]).all()
    assert index[0] == 0
    assert int(index[-1]) + (int(gaps[0]) if len(gaps) else 50) >= 50


def test_a_table_goes_on_from_a_file_and_the_saved_one_stays_as_it_was() -> None:
    table = table_of({0: (0.75, 0), 9: (0.25, 2)})
    state = table.state_dict()
    saved = through_a_file(state)
    table.put(torch.tensor([0, 9]), torch.tensor([5.0, 6.0]), 3)
    for these in (state, saved):
        resumed = LastScores(2, CPU)
        resumed.load_state_dict(these)
        assert of(resumed, 0, 9, 99) == [0.75, 0.25, 0.75]
        assert resumed.older(torch.tensor([0, 9]), 1).tolist() == [True, False]
        resumed.put(torch.tensor([0]), torch.tensor([7.0]), 4)


class TwoRanks(Ranks):
    """This process, and one that holds another table."""

    def __init__(self, other: LastScores) -> None:
        super().__init__()
        self.rank, self.of, self.alone = 0, 2, False
        other._grow(20)
        self._others = iter([other._score, other._epoch, other._highest[None]])

    def tell_all(self, numbers: object) -> list[list[int]]:
        return [list(numbers), [20]]  # pyright: ignore[reportArgumentType]

    def stacked(self, values: Tensor) -> Tensor:
        return torch.stack([values, next(self._others)])


def test_of_several_processes_the_latest_score_counts() -> None:
    here = table_of({0: (0.25, 1), 1: (0.5, 2), 2: (0.125, 2)}, size=5)
    there = table_of({1: (9.0, 1), 2: (0.75, 3), 3: (0.375, 0), 4: (0.0, 0)}, size=20)
    here.share(TwoRanks(there))
    assert of(here, 0, 1, 2, 3, 4) == [0.25, 0.5, 0.75, 0.375, 0.0]
    assert of(here, 15) == [9.0]  # the highest that any process ever saw
    alone = table_of({0: (0.25, 1)})
    alone.share(Ranks())
    assert of(alone, 0) == [0.25]
