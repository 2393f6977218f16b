"""Meters for time and counts. No torch here: an edge node uses them too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Clock = Callable[[], float]


class _Timing:
    """One section; a class, because a generator would take twice as long as the clocks."""

    def __init__(self, meters: Meters, name: str) -> None:
        self._meters = meters
        self._name = name

    def __enter__(self) -> None:
        self._wall, self._cpu = self._meters.clock(), self._meters.cpu_clock()

    def __exit__(self, *_: object) -> None:
        meters, name = self._meters, self._name
        meters.seconds[name] = meters.seconds.get(name, 0.0) + meters.clock() - self._wall
        meters.cpu_seconds[name] = meters.cpu_seconds.get(name, 0.0) + meters.cpu_clock() - self._cpu


@dataclass
class Meters:
    """Named counters and stopwatches that add up over a run.

    `seconds` is wall-clock time; `cpu_seconds` is processor time of this process over all its threads, which other
    programs on the machine do not add to. An accelerator works behind the host's back: there, a section's time is the
    host's between its ends.

    Args:
        clock: Seconds from an arbitrary start, monotone.
        cpu_clock: The same for processor time.
    """

    clock: Clock = time.perf_counter
    cpu_clock: Clock = time.process_time
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    def count(self, name: str, by: int = 1) -> None:
        """Add `by` to the counter `name`."""
        self.counts[name] = self.counts.get(name, 0) + by

    def timing(self, name: str) -> _Timing:
        """Add the time that a `with` block takes to the stopwatch `name`, also when it raises."""
        return _Timing(self, name)

    def state_dict(self) -> dict[str, dict[str, float]]:
        """All totals so far."""
        return {
            "counts": dict(self.counts),
            "seconds": dict(self.seconds),
            "cpu_seconds": dict(self.cpu_seconds),
        }

    def load_state_dict(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Go on from totals saved by `state_dict`."""
        self.counts = {name: int(value) for name, value in state["counts"].items()}
        self.seconds = dict(state["seconds"])
        self.cpu_seconds = dict(state["cpu_seconds"])
