"""Work side by side: what comes back, and that nothing goes on when one task fails."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest
import torch

from rheostat.bench.workers import workers


def doubled(number: int) -> int:
    return 2 * number


def told_of_itself(place: Path) -> tuple[int, int]:
    place.touch()
    return os.getpid(), torch.get_num_threads()


def fails_or_waits(place: Path, number: int) -> None:
    if number == 0:
        while not place.exists():  # until the other one has begun
            time.sleep(0.01)
        raise ValueError("the first one fails")
    place.touch()
    time.sleep(600)


def sleeps(seconds: float) -> None:
    time.sleep(seconds)


def test_results_are_in_the_order_of_the_tasks_and_each_is_told() -> None:
    told: list[tuple[int, int]] = []
    with workers(1) as team:
        found = team.all(doubled, [(3,), (1,), (2,)], lambda done, result: told.append((done, result)))
        assert team.all(doubled, []) == []
    assert found == [6, 2, 4]
    assert told == [(1, 6), (2, 2), (3, 4)]


def test_one_failure_ends_the_others_and_nobody_else(tmp_path: Path) -> None:
    other = multiprocessing.get_context("spawn").Process(target=sleeps, args=(600,), daemon=True)
    other.start()
    try:
        with workers(2) as team:
            told = team.all(told_of_itself, [(tmp_path / str(at),) for at in range(2)])
            with pytest.raises(ValueError, match="the first one fails"):
                team.all(fails_or_waits, [(tmp_path / "begun", number) for number in (0, 1)])
        assert {threads for _, threads in told} == {1}
        pids = {pid for pid, _ in told}
        assert os.getpid() not in pids
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
        assert other.is_alive()
    finally:
        other.kill()
        other.join()
