"""Meters for time and counts. No torch here: an edge node uses them too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

Clock = Callable[[], float]


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

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the stopwatch `name`, also when it raises."""
        wall, cpu = self.clock(), self.cpu_clock()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + self.clock() - wall
            self.cpu_seconds[name] = self.cpu_seconds.get(name, 0.0) + self.cpu_clock() - cpu

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
