"""What selection has done so far, and what it costs and saves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rheostat.select.costs import OFF, REUSES, TRAINING, Costs, Mode, break_even, forward_mode, speedup


@dataclass(frozen=True)
class Stats:
    """What selection has done so far, over all epochs and, where several processes train, over all of them.

    Attributes:
        epochs: Epochs of candidates that were finished.
        candidates: Examples offered.
        latest_round: Those of the round that the batch at hand was completed by.
        scoring_forwards: Examples sent through the network to be scored.
        reused: Candidates whose score was remembered, from a forward pass or from the training pass.
        kept: Examples kept, whether they have been trained on yet or not.
        backwards: Examples yielded for training; each costs a training forward and a backward.
        dropped: Kept examples that were dropped before training (remainder, age).
        waiting: Kept examples that wait in this process.
        batches: Training batches yielded by each process.
        processes: Number of processes, >= 1.
        modes: Candidates by where their scores came from: ``forward``, ``reuse R``, ``training``, ``off`` (not scored).
        data_seconds, scoring_seconds, training_seconds: Wall-clock time of this process waiting for candidates, scoring
            and selecting them, and between a batch and the request for the next one.
        data_cpu_seconds, scoring_cpu_seconds, training_cpu_seconds: The same in processor time of this process.
        mode: Where scores come from now.
        costs: Seconds per example of what selection consists of, lately.
        device_seconds: On an accelerator, the seconds of its own time by the names of `Costs`, this process's; None on
            the CPU. The host's clocks say little there, because it only starts the work.
        recent_share: Kept share of the running epoch's rounds that went through selection, or else of the last such
            epoch; NaN before the first.
    """

    epochs: int
    candidates: int
    scoring_forwards: int
    kept: int
    backwards: int
    dropped: int
    batches: int
    data_seconds: float
    scoring_seconds: float
    training_seconds: float
    data_cpu_seconds: float
    scoring_cpu_seconds: float
    training_cpu_seconds: float
    latest_round: int = 0
    reused: int = 0
    waiting: int = 0
    processes: int = 1
    modes: Mapping[str, int] = field(default_factory=dict)
    mode: Mode = OFF
    costs: Costs = Costs()  # noqa: RUF009 - immutable
    device_seconds: Mapping[str, float] | None = None
    recent_share: float = math.nan

    @property
    def kept_share(self) -> float:
        """Kept examples per candidate, in [0, 1]; NaN before the first candidate."""
        return self.kept / self.candidates if self.candidates else math.nan

    @property
    def break_even(self) -> float:
        """The kept share below which selection saves time at its present costs; NaN = not measured.

        While a governed loader is off, it is that of what it could take instead.
        """
        if self.mode != OFF:
            return break_even(self.costs, self.mode)
        if not math.isnan(self.costs.observe):
            return break_even(self.costs, TRAINING)
        return math.nan if math.isnan(self.costs.score) else break_even(self.costs, forward_mode(REUSES[-1]))

    @property
    def predicted_speedup(self) -> float:
        """Speed-up over the plain loop at the present costs and kept share; NaN = not measured."""
        return speedup(self.costs, self.mode, 1.0 if self.mode == OFF else self.recent_share)

    @property
    def actual_speedup(self) -> float:
        """Time that as many candidates take without selection over the time that they took; NaN before the first step.

        The plain loop is not run: it is a step of the present median length for every candidate, and waiting for data
        as long as selection was off, or else as long as it did. What the loop does now and then, such as an evaluation,
        is in neither.
        """
        if not self.backwards:
            return math.nan
        data, selection = self.data_seconds, self.scoring_seconds
        if self.device_seconds is not None:
            of = {name: self.device_seconds.get(name, 0.0) for name in Costs._fields}
            data, selection = of["data"] + of["plain_data"], of["score"] + of["pick"]
        candidates, backwards = self.candidates / self.processes, self.backwards / self.processes
        observe = 0.0 if math.isnan(self.costs.observe) else self.costs.observe
        plain_data = data if math.isnan(self.costs.plain_data) else self.costs.plain_data * candidates
        spent = data + selection + backwards * (self.costs.step + observe)
        return (plain_data + candidates * self.costs.step) / spent if spent else math.nan


@dataclass
class Share:
    """The kept share of the rounds that went through selection.

    Attributes:
        offered, kept: In the running epoch.
        before: Share of the last epoch that had any such round; NaN before the first.
        latest_round: Candidates of the latest round, whether it went through selection or not.
    """

    offered: int = 0
    kept: int = 0
    before: float = math.nan
    latest_round: int = 0

    def add(self, candidates: int, offered: int, kept: int) -> None:
        """Count a round of so many candidates, of which so many went through selection and were kept."""
        self.latest_round = candidates or self.latest_round
        self.offered += offered
        self.kept += kept

    @property
    def now(self) -> float:
        """Of the running epoch; NaN if none of its rounds went through selection."""
        return self.kept / self.offered if self.offered else math.nan

    @property
    def recent(self) -> float:
        """Of the running epoch, or else of the last one that had any."""
        return self.before if math.isnan(self.now) else self.now

    def end_epoch(self) -> None:
        """Begin a new epoch."""
        self.before = self.recent
        self.offered = self.kept = 0

    def state_dict(self) -> dict[str, Any]:
        """All of it; None stands for NaN, so that equal states are equal."""
        return asdict(self) | {"before": None if math.isnan(self.before) else self.before}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.offered, self.kept = state["offered"], state["kept"]
        self.before = math.nan if state["before"] is None else state["before"]
        self.latest_round = state["latest_round"]
