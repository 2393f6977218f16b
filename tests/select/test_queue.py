"""The queue of kept examples: first in, first out, across the rounds that they came in."""

import torch

from rheostat.select.queue import Queue
from rheostat.signals import batches
from tests.select.toys import through_a_file


def queue_of(*sizes: int) -> Queue:
    """Examples 0, 1, 2, ... in rounds of these sizes, scored after 0, 1, 2, ... training batches."""
    queue, rows = Queue(), torch.arange(sum(sizes)).split(list(sizes))
    for born, index in enumerate(rows):
        columns, structure = batches.flatten((10 * index, [f"example {i}" for i in index]))
        queue.push(columns, structure, index, index / 4, 1 + index / 2, index % 2 == 0, born=born)
    return queue


def test_examples_leave_in_the_order_they_came_in_however_the_batches_are_cut() -> None:
    queue = queue_of(3, 0, 4, 2)
    popped = [queue.pop(number, now=9) for number in (2, 2, 1, 4)]
    assert [kept.index.tolist() for _, kept in popped] == [[0, 1], [2, 3], [4], [5, 6, 7, 8]]
    assert len(queue) == 0


def test_everything_that_is_known_of_an_example_leaves_with_it() -> None:
    queue = queue_of(3, 4)
    queue.pop(2, now=9)
    (x, names), kept = queue.pop(3, now=9)
    assert x.tolist() == [20, 30, 40]
    assert names == ["example 2", "example 3", "example 4"]
    assert kept.score.tolist() == [0.5, 0.75, 1.0]
    assert kept.weight.tolist() == [2.0, 2.5, 3.0]
    assert kept.looked.tolist() == [True, False, True]
    assert kept.age.tolist() == [9, 8, 8]


def test_whole_rounds_are_dropped_once_they_are_too_old() -> None:
    queue = queue_of(3, 4, 2)
    queue.pop(1, now=2)
    assert queue.drop_older(2, now=2) == 0
    assert queue.drop_older(1, now=2) == 2
    assert queue.pop(6, now=2)[1].index.tolist() == [3, 4, 5, 6, 7, 8]


def test_clearing_counts_what_waited() -> None:
    queue = queue_of(3, 4)
    queue.pop(2, now=0)
    assert queue.clear() == 5
    assert len(queue) == 0


def test_a_restored_queue_yields_the_same_batches_and_forgets_what_it_held() -> None:
    queue, restored = queue_of(3, 4, 2), queue_of(5)
    queue.pop(1, now=2)
    restored.load_state_dict(through_a_file(queue.state_dict()), torch.device("cpu"))
    assert len(restored) == len(queue) == 8
    for number in (3, 5):
        (x, names), kept = queue.pop(number, now=4)
        (same_x, same_names), same_kept = restored.pop(number, now=4)
        assert (same_x.tolist(), same_names) == (x.tolist(), names)
        assert (same_kept.index.tolist(), same_kept.age.tolist()) == (kept.index.tolist(), kept.age.tolist())
