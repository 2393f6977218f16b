"""Batches of any structure: taken apart, put together, joined, cut."""

from collections import OrderedDict, UserDict
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from rheostat.errors import DataError
from rheostat.signals import batches


class Pair(NamedTuple):
    image: Tensor
    label: Tensor


class Encoding(UserDict[str, Any]):
    """A mapping that is no dict, as a tokenizer returns it."""


def rows(size: int, width: int = 2) -> Tensor:
    return torch.arange(size * width, dtype=torch.float32).reshape(size, width)


A, B, C = rows(3), torch.tensor([7, 8, 9]), torch.ones(3, 4, 5)

STRUCTURES = {
    "tensor": (A, [A]),
    "tuple": ((A, B), [A, B]),
    "list": ([A, B], [A, B]),
    "dict": ({"x": A, "y": B}, [A, B]),
    "ordered dict": (OrderedDict(x=A, y=B), [A, B]),
    "named tuple": (Pair(A, B), [A, B]),
    "mapping": (Encoding(x=A, y=B), [A, B]),
    "list of strings": ([A, ["p", "q", "r"]], [A, ["p", "q", "r"]]),
    "tuple of strings": ((A, ("p", "q", "r")), [A, ["p", "q", "r"]]),
    "nested": (
        ({"x": A, "more": [B, Pair(C, B)]}, Encoding(names=["p", "q", "r"])),
        [A, B, C, B, ["p", "q", "r"]],
    ),
}


@pytest.mark.parametrize(("batch", "columns"), STRUCTURES.values(), ids=STRUCTURES.keys())
def test_a_batch_is_taken_apart_into_its_columns_and_put_together_as_it_was(batch: Any, columns: list[Any]) -> None:
    found, structure = batches.flatten(batch)
    assert all(same(a, b) for a, b in zip(found, columns, strict=True))
    assert batches.batch_size(found) == 3
    assert same(batches.unflatten(found, structure), batch)


def same(some: Any, other: Any) -> bool:
    """Of the same types all the way down, and holding the very same tensors."""
    if type(some) is not type(other):
        return False
    if isinstance(some, Tensor):
        return some is other
    if isinstance(some, dict | UserDict):
        return list(some) == list(other) and all(same(some[key], other[key]) for key in some)
    if isinstance(some, list | tuple):
        return len(some) == len(other) and all(map(same, some, other))
    return some == other


def test_structures_are_equal_if_batches_of_both_can_be_joined() -> None:
    structure = batches.flatten((A, {"y": B}))[1]
    assert structure == batches.flatten((rows(9), {"y": torch.zeros(9)}))[1]
    for other in ([A, {"y": B}], (A, {"z": B}), (A, B), (A, {"y": B}, B), (A, {"y": ["p", "q", "r"]})):
        assert structure != batches.flatten(other)[1]


def test_take_picks_positions_in_their_order_from_tensors_and_lists() -> None:
    taken = batches.take([rows(4), ["p", "q", "r", "s"]], torch.tensor([3, 0, 3]))
    assert taken[0].tolist() == [[6, 7], [0, 1], [6, 7]]
    assert taken[1] == ["s", "p", "s"]


def test_take_of_no_position_is_empty() -> None:
    tensor, names = batches.take([rows(4), ["p", "q", "r", "s"]], torch.tensor([], dtype=torch.int64))
    assert tensor.shape == (0, 2)
    assert names == []


def test_cut_and_join_are_inverse_to_each_other() -> None:
    columns = [rows(5), ["p", "q", "r", "s", "t"]]
    pieces = [batches.cut(columns, start, stop) for start, stop in ((0, 2), (2, 2), (2, 5))]
    joined = batches.join(pieces)
    assert torch.equal(joined[0], rows(5))
    assert joined[1] == columns[1]
    assert pieces[0][0].tolist() == [[0, 1], [2, 3]]


def test_joining_one_piece_copies_nothing() -> None:
    column = rows(5)
    assert batches.join([[column]])[0] is column


def test_tensors_that_are_on_the_device_already_are_not_copied() -> None:
    names = ["p", "q", "r"]
    moved = batches.to_device([A, names], torch.device("cpu"))
    assert moved[0] is A
    assert moved[1] is names


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((rows(3), rows(4)), r"first dimensions \[3, 4\]: .*same B"),
        ((rows(3), ["p", "q"]), r"first dimensions \[2, 3\]"),
        ((rows(3), torch.tensor(1.0)), r"without a first dimension"),
        ((torch.tensor(1.0),), r"without a first dimension"),
        ({}, r"no tensor at all"),
        ((), r"no tensor at all"),
    ],
    ids=["two lengths", "list of another length", "scalar", "only a scalar", "empty dict", "empty tuple"],
)
def test_a_batch_without_one_size_is_refused(batch: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        batches.batch_size(batches.flatten(batch)[0])


@pytest.mark.parametrize("foreign", ["text", 7, None, {1, 2}], ids=repr)
def test_a_part_of_a_foreign_type_is_refused_by_its_name(foreign: Any) -> None:
    with pytest.raises(DataError, match=rf"a batch holds a {type(foreign).__name__}, .*tensor \[B, \.\.\.\] or a list"):
        batches.flatten((A, foreign))


def test_examples_of_different_shapes_cannot_be_joined() -> None:
    with pytest.raises(DataError, match=r"shapes \[2\] and \[3\] cannot share a batch: resize or pad"):
        batches.join([[rows(4, width=2)], [rows(4, width=3)]])
