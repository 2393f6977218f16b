"""Meters against clocks that are set by hand."""

import subprocess
import sys
from dataclasses import dataclass

import pytest

from rheostat.signals import Meters


@dataclass
class HandClock:
    """A clock that moves only when it is told to."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_counter_adds_up_under_its_own_name() -> None:
    meters = Meters()
    meters.count("kept")
    meters.count("kept", 4)
    meters.count("dropped", 0)
    assert meters.counts == {"kept": 5, "dropped": 0}


def test_a_stopwatch_adds_wall_and_processor_time_apart() -> None:
    wall, cpu = HandClock(), HandClock(7.0)
    meters = Meters(wall, cpu)
    for seconds in (2.0, 3.0):
        with meters.timing("scoring"):
            wall.now += seconds
            cpu.now += seconds / 4
        wall.now += 50  # outside: on nobody's account
    assert meters.seconds == {"scoring": 5.0}
    assert meters.cpu_seconds == {"scoring": 1.25}


def test_a_block_that_raises_is_timed_too() -> None:
    wall = HandClock()
    meters = Meters(wall, HandClock())

    def fail() -> None:
        wall.now += 3
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"), meters.timing("training"):
        fail()
    assert meters.seconds == {"training": 3.0}


def test_totals_go_on_from_a_saved_state_that_stays_as_it_was() -> None:
    wall = HandClock()
    meters, resumed = Meters(wall, wall), Meters(wall, wall)
    meters.count("kept", 3)
    with meters.timing("data"):
        wall.now += 1
    state = meters.state_dict()
    meters.count("kept", 100)

    resumed.load_state_dict(state)
    resumed.count("kept", 2)
    with resumed.timing("data"):
        wall.now += 2
    assert resumed.state_dict() == {"counts": {"kept": 5}, "seconds": {"data": 3.0}, "cpu_seconds": {"data": 3.0}}
    assert state["counts"] == {"kept": 3}


def test_meters_can_be_had_without_torch() -> None:
    code = "import sys, rheostat.signals.meters; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
