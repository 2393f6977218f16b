"""What a loader counts: examples over all processes, times of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rheostat.select.costs import Costs, Mode
from rheostat.select.governor import MODES
from rheostat.select.ranks import Ranks
from rheostat.select.stats import Share, Stats
from rheostat.signals import Meters

_MODE = "mode: "
_COUNTED = ("candidates", "scoring_forwards", "reused", "kept", "dropped", "chosen_from", "chosen")


class Ledger:
    """Counts what happens in this process, and adds it up over all of them once a round.

    Attributes:
        meters: Sums so far; their counts are of all processes, their times of this one.
        share: Kept share of the rounds that went through selection.
    """

    def __init__(self) -> None:
        self.meters = Meters()
        self.share = Share()
        self._tally: Counter[str] = Counter()  # of this process, not yet told to the others

    @property
    def batches(self) -> int:
        """Training batches yielded so far, the time that ages are counted in."""
        return self.meters.counts.get("batches", 0)

    def count(self, **numbers: int) -> None:
        """Count examples of this process: `candidates`, `kept`, `dropped`, and so on."""
        self._tally.update(numbers)

    def offered(self, mode: Mode, *, candidates: int, kept: int) -> None:
        """Count a round, by where its scores came from."""
        self._tally.update({"candidates": candidates, "kept": kept, _MODE + mode.name: candidates})

    def handed_out(self, examples: int) -> None:
        """Count a training batch of so many examples in all processes together."""
        self.meters.count("batches")
        self.meters.count("backwards", examples)

    def tell(self, ranks: Ranks, mode: Mode) -> None:
        """Add up over the processes, which are all in this mode, what happened since the last time; collective."""
        totals = self._tally
        if not ranks.alone:
            names = (*_COUNTED, *(_MODE + name for name in dict.fromkeys((*MODES, mode.name))))
            told = ranks.tell_all([self._tally[name] for name in names])
            totals = Counter(dict(zip(names, (sum(column) for column in zip(*told, strict=True)), strict=True)))
        for name, number in totals.items():
            if number:
                self.meters.count(name, number)
        self.share.add(totals["candidates"], totals["chosen_from"], totals["chosen"])
        self._tally.clear()

    def end_epoch(self) -> None:
        """Begin a new epoch."""
        self.share.end_epoch()
        self.meters.count("epochs")

    def stats(
        self, *, waiting: int, processes: int, mode: Mode, costs: Costs, device_seconds: Mapping[str, float] | None
    ) -> Stats:
        """Counts and times so far."""
        count, wall, cpu = self.meters.counts, self.meters.seconds, self.meters.cpu_seconds
        return Stats(
            epochs=count.get("epochs", 0),
            candidates=count.get("candidates", 0),
            latest_round=self.share.latest_round,
            scoring_forwards=count.get("scoring_forwards", 0),
            reused=count.get("reused", 0),
            kept=count.get("kept", 0),
            backwards=count.get("backwards", 0),
            dropped=count.get("dropped", 0),
            waiting=waiting,
            batches=count.get("batches", 0),
            processes=processes,
            modes={name.removeprefix(_MODE): number for name, number in count.items() if name.startswith(_MODE)},
            data_seconds=wall.get("data", 0.0),
            scoring_seconds=wall.get("scoring", 0.0),
            training_seconds=wall.get("training", 0.0),
            data_cpu_seconds=cpu.get("data", 0.0),
            scoring_cpu_seconds=cpu.get("scoring", 0.0),
            training_cpu_seconds=cpu.get("training", 0.0),
            mode=mode,
            costs=costs,
            device_seconds=device_seconds,
            recent_share=self.share.recent,
        )

    def state_dict(self) -> dict[str, Any]:
        """All sums, and what is not told yet."""
        return {"meters": self.meters.state_dict(), "tally": dict(self._tally), "share": self.share.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; those of earlier versions have `meters` alone."""
        self.meters.load_state_dict(state["meters"])
        self._tally = Counter(state.get("tally", {}))
        if "share" in state:
            self.share.load_state_dict(state["share"])
