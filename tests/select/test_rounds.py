"""Rounds of any size, out of batches of any size: each example once, in order, with its own index."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from rheostat.errors import DataError
from rheostat.select.rounds import Rounds
from tests.select.toys import concatenated, through_a_file

SIZE = 23


class Named:
    """Examples `(10 i, "example i")` in batches of the given sizes."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = list(sizes)

    def __iter__(self) -> Iterator[tuple[Tensor, list[str]]]:
        for index in torch.arange(sum(self.sizes)).split(self.sizes):
            yield 10 * index, [f"example {i}" for i in index.tolist()]


def oracle(size: int, per_round: int) -> list[list[int]]:
    """Rounds of exactly so many examples, and what is left."""
    return [list(range(at, min(at + per_round, size))) for at in range(0, size, per_round)]


def one_epoch(rounds: Rounds) -> list[tuple[Tensor, Any]]:
    pairs = list(rounds.epoch())
    rounds.finish()
    return pairs


@pytest.mark.parametrize("batch", [1, 4, 7, 23, 40])
@pytest.mark.parametrize("size", [1, 3, 4, 7, 8, 22, 23, 24, 100])
def test_batches_of_any_size_become_rounds_of_any_size(batch: int, size: int) -> None:
    sizes = [len(part) for part in torch.arange(SIZE).split(batch)]
    rounds = Rounds(Named(*sizes), size)
    for _ in range(2):
        pairs = one_epoch(rounds)
        assert [index.tolist() for index, _ in pairs] == oracle(SIZE, size)
        for index, (x, names) in pairs:
            assert x.tolist() == [10 * i for i in index.tolist()]
            assert names == [f"example {i}" for i in index.tolist()]


def test_batches_may_be_of_many_sizes_in_one_epoch() -> None:
    pairs = one_epoch(Rounds(Named(3, 9, 1, 1, 6), 4))
    assert [index.tolist() for index, _ in pairs] == oracle(20, 4)


def test_without_a_size_a_round_is_a_batch_and_is_the_same_object() -> None:
    loader = list(Named(3, 9, 2))
    pairs = one_epoch(Rounds(loader, None))
    assert all(batch is given for (_, batch), given in zip(pairs, loader, strict=True))


def test_under_shuffling_the_index_is_that_of_the_data_set() -> None:
    loader = DataLoader(TensorDataset(10 * torch.arange(SIZE)), 4, shuffle=True)
    rounds = Rounds(loader, 9)
    assert rounds.examples == SIZE
    seen = []
    for index, (x,) in one_epoch(rounds):
        assert torch.equal(x, 10 * index)
        seen.append(index.tolist())
    assert [len(part) for part in seen] == [9, 9, 5]
    assert sorted(concatenated(seen)) == list(range(SIZE))


def test_the_rounds_of_an_epoch_are_counted_as_they_begin() -> None:
    rounds = Rounds(Named(5, 5, 5), 4)
    for _ in range(2):
        assert [rounds.count for _ in rounds.epoch()] == [1, 2, 3, 4]
        rounds.finish()
        assert rounds.count == 0


def test_an_epoch_that_is_broken_off_leaves_nothing_to_the_next() -> None:
    rounds = Rounds(Named(10, 10), 4)
    next(rounds.epoch())
    assert [index.tolist() for index, _ in one_epoch(rounds)] == oracle(20, 4)


@pytest.mark.parametrize("size", [None, 1, 3, 5, 9, 50])
@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "shuffled"])
def test_an_epoch_goes_on_from_a_file_after_any_of_its_rounds(size: int | None, shuffle: bool) -> None:
    def fresh() -> Rounds:
        if not shuffle:
            return Rounds(Named(7, 7, 7, 2), size)
        data = TensorDataset(10 * torch.arange(SIZE), torch.arange(SIZE) % 5)
        return Rounds(DataLoader(data, 7, shuffle=True, generator=torch.Generator().manual_seed(4)), size)

    uninterrupted = fresh()
    pairs, states = [], []
    for pair in uninterrupted.epoch():
        pairs.append(pair)
        states.append(through_a_file(uninterrupted.state_dict()))
    for done, state in enumerate(states, start=1):
        resumed = fresh()
        resumed.load_state_dict(state)
        assert resumed.resumed
        counts = []
        rest = []
        for pair in resumed.epoch():
            rest.append(pair)
            counts.append(resumed.count)
        assert str(rest) == str(pairs[done:])  # tensors and names
        assert counts == list(range(done + 1, len(pairs) + 1))
        resumed.finish()
        assert not resumed.resumed
        assert len(list(resumed.epoch())) == len(pairs)


def test_a_saved_leftover_is_no_larger_than_its_examples() -> None:
    rounds = Rounds([torch.arange(1000)], 999)
    next(rounds.epoch())
    _, rest = rounds.state_dict()["rest"]
    assert rest.untyped_storage().nbytes() == 8  # what torch.save writes is the storage


def test_a_state_between_two_epochs_begins_a_whole_one() -> None:
    rounds = Rounds(Named(10, 10), 8)
    one_epoch(rounds)
    resumed = Rounds(Named(10, 10), 8)
    resumed.load_state_dict(through_a_file(rounds.state_dict()))
    assert not resumed.resumed
    assert [index.tolist() for index, _ in one_epoch(resumed)] == oracle(20, 8)


def test_a_state_of_a_version_without_rounds_of_their_own_goes_on() -> None:
    rounds = Rounds(Named(3, 3, 3), None)
    next(rounds.epoch())
    state = {name: value for name, value in rounds.state_dict().items() if name not in ("count", "rest")}
    resumed = Rounds(Named(3, 3, 3), None)
    resumed.load_state_dict(state)
    assert [index.tolist() for index, _ in resumed.epoch()] == [[3, 4, 5], [6, 7, 8]]
    assert resumed.count == 3


@pytest.mark.parametrize(
    "other",
    [{"x": torch.zeros(3)}, [torch.zeros(3), torch.zeros(3)], (torch.zeros(3),), torch.zeros(3)],
    ids=["a mapping", "a list", "one part less", "a tensor"],
)
def test_batches_that_are_nested_otherwise_cannot_share_a_round(other: Any) -> None:
    with pytest.raises(DataError, match="nested otherwise than the batch before it"):
        list(Rounds([(torch.zeros(3), torch.zeros(3)), other], 4).epoch())


def test_examples_of_different_shapes_cannot_share_a_round() -> None:
    with pytest.raises(DataError, match=r"shapes \[2\] and \[5\] cannot share a batch"):
        list(Rounds([(torch.zeros(3, 2),), (torch.zeros(3, 5),)], 4).epoch())
