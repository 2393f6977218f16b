"""What selection costs and saves, in seconds; when it pays.

Selection pays while the share that is kept is below `break_even` = 1 - (what choosing a candidate costs) / (what a
training step costs per example). Everything here is arithmetic on measured times (DESIGN, section 3, the governor).
"""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch


class Mode(NamedTuple):
    """Where scores come from.

    Attributes:
        name: As it is reported.
        source: ``forward``, ``training``, or ``off``: every candidate is trained on.
        reuse: Epochs for which the score of a forward pass serves again.
    """

    name: str
    source: str
    reuse: int = 0

    @property
    def forwards(self) -> float:
        """Scoring forwards per candidate, on average over epochs."""
        return 1 / (self.reuse + 1) if self.source == "forward" else 0.0


REUSES = (0, 1, 3)
"""Epochs for which a governed loader may use a score again; arXiv:1910.00762 finds no harm in 2."""

OFF = Mode("off", "off")
TRAINING = Mode("training", "training")


def forward_mode(reuse: int = 0) -> Mode:
    """Scores of a forward pass, each used again for so many epochs."""
    return Mode(f"reuse {reuse}" if reuse else "forward", "forward", reuse)


class Costs(NamedTuple):
    """Seconds, as medians of what was measured last; NaN = not measured yet.

    Attributes:
        data: Waiting for a candidate while selection is on. A loader that works ahead hides its time behind the steps,
            and there are fewer of them then.
        pick: Choosing one candidate, without the forward pass that scores it.
        score: Scoring forward of one candidate.
        step: Training step, per example; what the loop does between two batches is part of it.
        observe: Taking the score of one example from its training pass.
        plain_data: Waiting for a candidate while selection is off, as the plain loop does.
    """

    data: float = math.nan
    pick: float = math.nan
    score: float = math.nan
    step: float = math.nan
    observe: float = math.nan
    plain_data: float = math.nan


def break_even(costs: Costs, mode: Mode) -> float:
    """The kept share below which selection saves time; <= 0 = never, NaN = not measured."""
    left = costs.step - _or_zero(costs.pick) - _forwards(costs, mode)
    return left / (costs.step + _watching(costs, mode))


def speedup(costs: Costs, mode: Mode, kept_share: float) -> float:
    """Time of the plain loop over that of the selective one, for as many candidates; NaN = not measured.

    Args:
        costs: Measured.
        mode: Where scores come from.
        kept_share: In [0, 1].
    """
    data, plain_data = costs.data, costs.plain_data
    plain = _or_zero(data if math.isnan(plain_data) else plain_data) + costs.step
    if mode.source == "off":
        return 1.0
    step = costs.step + _watching(costs, mode)
    data = plain_data if math.isnan(data) else data
    return plain / (_or_zero(data) + _or_zero(costs.pick) + _forwards(costs, mode) + kept_share * step)


def _forwards(costs: Costs, mode: Mode) -> float:
    return mode.forwards * costs.score if mode.forwards else 0.0


def _watching(costs: Costs, mode: Mode) -> float:
    return _or_zero(costs.observe) if mode.source == "training" else 0.0


def _or_zero(seconds: float) -> float:
    return 0.0 if math.isnan(seconds) else seconds


class Stopwatch:
    """Recent times per example of named sections.

    On an accelerator the times are the device's, between events on its current stream: nothing waits for them.

    Args:
        device: Where the work is done.
        memory: How many sections the median is over, >= 1.
        clock: Seconds from an arbitrary start, monotone; not looked at on an accelerator.
    """

    def __init__(self, device: torch.device, memory: int = 32, clock: Callable[[], float] = time.perf_counter) -> None:
        self._device = device
        self._on_cuda = device.type == "cuda"
        self._total: dict[str, float] = {}
        self._memory = memory
        self._clock = clock
        self._recent: dict[str, deque[float]] = {}
        self._pending: deque[tuple[str, int, Any, Any]] = deque()

    @contextmanager
    def timing(self, name: str, examples: int) -> Iterator[None]:
        """Take the time of a `with` block, of so many examples; one that raises, or of no example, is not counted."""
        if not self._on_cuda:
            started = self._clock()
            yield
            self._take(name, examples, self._clock() - started)
            return
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record(torch.cuda.current_stream(self._device))
        yield
        end.record(torch.cuda.current_stream(self._device))
        self._pending.append((name, examples, start, end))
        self._read()

    def median(self, name: str) -> float:
        """Seconds per example of the section's recent blocks; NaN before the first."""
        self._read()
        recent = self._recent.get(name)
        return statistics.median(recent) if recent else math.nan

    def device_seconds(self) -> dict[str, float] | None:
        """All seconds so far by section, of an accelerator's own time; None on the CPU, whose clocks are the host's."""
        self._read()
        return dict(self._total) if self._on_cuda else None

    def costs(self) -> Costs:
        """All medians; what observing costs is part of a step, and taken out of it."""
        found = Costs(*(self.median(name) for name in Costs._fields))
        return found._replace(step=found.step - _or_zero(found.observe))

    def _read(self) -> None:
        """Read the events that the device has come by."""
        while self._pending and self._pending[0][3].query():
            what, examples, start, end = self._pending.popleft()
            self._take(what, examples, start.elapsed_time(end) / 1000)

    def _take(self, name: str, examples: int, seconds: float) -> None:
        self._total[name] = self._total.get(name, 0.0) + seconds
        if examples:
            self._recent.setdefault(name, deque(maxlen=self._memory)).append(seconds / examples)
