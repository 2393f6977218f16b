"""A log kept in plain Python, one example at a time: the oracle of `ExampleLog`."""

import itertools
import math
from dataclasses import dataclass, field

import pytest

from rheostat.signals import ExampleLog

_RECENT = ("entropy", "max_softmax", "energy")
_OVERALL = ("margin", "loss")
_COUNTS = ("looks", "correct", "forgotten", "was_correct")
_LAST = ("prediction", "p_given", "p_predicted", "last_epoch")
COLUMNS = (*_RECENT, *_OVERALL, *_COUNTS, *_LAST)


@dataclass
class Look:
    """One look at one example."""

    logits: list[float]
    given: int
    epoch: int

    def __post_init__(self) -> None:
        largest = max(self.logits)
        total = sum(math.exp(z - largest) for z in self.logits)
        p = [math.exp(z - largest) / total for z in self.logits]
        self.prediction = self.logits.index(largest)
        self.correct = self.prediction == self.given
        self.p_given, self.p_predicted = p[self.given], p[self.prediction]
        self.entropy = -sum(q * math.log(q) for q in p if q > 0)
        self.max_softmax = 1 - self.p_predicted
        self.energy = -(largest + math.log(total))
        self.margin = self.logits[self.given] - max(z for c, z in enumerate(self.logits) if c != self.given)
        self.loss = -math.log(self.p_given)


@dataclass
class Diary:
    """All looks at every example."""

    size: int
    memory: int = 5
    looks: dict[int, list[Look]] = field(default_factory=dict)

    def write(self, example: int, logits: list[float], given: int, epoch: int) -> None:
        self.looks.setdefault(example, []).append(Look(logits, given, epoch))

    def of(self, example: int) -> dict[str, float]:
        """The columns of an example."""
        looks = self.looks.get(example, [])
        if not looks:
            nothing = dict.fromkeys(COLUMNS, math.nan) | dict.fromkeys(_COUNTS, 0)
            return nothing | {"prediction": -1, "last_epoch": -1}
        last = looks[-1]
        return {
            **{name: self.recent([getattr(look, name) for look in looks]) for name in _RECENT},
            **{name: sum(getattr(look, name) for look in looks) / len(looks) for name in _OVERALL},
            "looks": len(looks),
            "correct": sum(look.correct for look in looks),
            "forgotten": sum(a.correct and not b.correct for a, b in itertools.pairwise(looks)),
            "was_correct": last.correct,
            "prediction": last.prediction,
            "p_given": last.p_given,
            "p_predicted": last.p_predicted,
            "last_epoch": last.epoch,
        }

    def recent(self, values: list[float]) -> float:
        mean = 0.0
        for count, value in enumerate(values, start=1):
            mean += (value - mean) / min(count, self.memory)
        return mean

    def history(self) -> list[list[float]]:
        """Loss of the last look per epoch and example."""
        epochs = 1 + max(look.epoch for looks in self.looks.values() for look in looks)
        rows = [[math.nan] * self.size for _ in range(epochs)]
        for example, looks in self.looks.items():
            for look in looks:
                rows[look.epoch][example] = look.loss
        return rows


def assert_same_as(diary: Diary, log: ExampleLog) -> None:
    """Every column of every example, within the rounding of single (history: half) precision."""
    for name in COLUMNS:
        expected = [diary.of(example)[name] for example in range(diary.size)]
        assert getattr(log, name).tolist() == pytest.approx(expected, rel=1e-4, abs=2e-6, nan_ok=True), name
    for mine, expected in zip(log.history.tolist(), diary.history(), strict=True):
        assert mine == pytest.approx(expected, rel=1e-3, abs=1e-6, nan_ok=True)
