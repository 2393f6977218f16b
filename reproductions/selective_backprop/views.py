"""What is read off a record: ends of runs, where a curve reaches an error, and what plain training needs for the same.

Every table and figure is made of these, and they are functions of the record alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Literal, NamedTuple

import numpy as np

from reproductions.selective_backprop.published import BARS
from reproductions.selective_backprop.workloads import DECAYED, PLAIN, THESIS
from rheostat.bench.compare import Curve, cpu_seconds, curve_of, reaches

Record = dict[str, Any]
Rows = list[dict[str, Any]]
Axis = Literal["backwards", "seconds"]


def runs_of(
    record: Record, data: str, arm: str, course: str, *, share: float | None = None, noise: float = 0.0
) -> Rows:
    """The runs of all seeds, in their order; `share` None = of whatever length, the longest if there are several."""
    asked = {"data": data, "arm": arm, "course": course, "noise": noise}
    found = [row for row in record["rows"] if asked.items() <= row["cell"].items()]
    if share is None and found:
        share = max(row["cell"]["share"] for row in found)
    return sorted((row for row in found if row["cell"]["share"] == share), key=lambda row: row["cell"]["seed"])


def data_of(record: Record, course: str, noise: float = 0.0) -> list[str]:
    """The workloads that have runs of a course, in the order of the record."""
    cells = [row["cell"] for row in record["rows"]]
    return list(dict.fromkeys(cell["data"] for cell in cells if cell["course"] == course and cell["noise"] == noise))


def clean_of(record: Record) -> list[str]:
    """The workloads with right labels that plain training was run on in several lengths."""
    scale = record["setting"]["scale"]
    return [name for name in data_of(record, DECAYED) if name in (scale["main"], *scale["others"])]


class End(NamedTuple):
    """How the runs of one arm end.

    Attributes:
        errors: Test error in [0, 1] of every seed.
        backwards, forwards: Examples trained on and scored, mean.
        seconds, wall: Processor and wall-clock seconds but for evaluation, mean.
    """

    errors: list[float]
    backwards: float
    forwards: float
    seconds: float
    wall: float

    @property
    def error(self) -> float:
        """Mean over the seeds."""
        return mean(self.errors)


def end_of(rows: Rows) -> End:
    """The last epoch of all seeds; what a holdout model took is part of the seconds."""
    extra = mean(row.get("holdout_cpu_seconds", 0.0) for row in rows)
    return End(
        [row["test_error"][-1] for row in rows],
        mean(row["backwards"][-1] for row in rows),
        mean(row["scoring_forwards"][-1] for row in rows),
        mean(float(cpu_seconds(row)[-1]) for row in rows) + extra,
        mean(sum(row[f"{kind}_seconds"][-1] for kind in ("data", "scoring", "training")) for row in rows) + extra,
    )


def lower(rows: Rows, others: Rows) -> tuple[int, int]:
    """In how many of the seeds that both have the error at the end is lower than that of the others."""
    theirs = {row["cell"]["seed"]: row["test_error"][-1] for row in others}
    both = [(row["test_error"][-1], theirs[row["cell"]["seed"]]) for row in rows if row["cell"]["seed"] in theirs]
    return sum(one < other for one, other in both), len(both)


# ---- plain training with a decayed learning rate: runs of several lengths, a curve


@dataclass(frozen=True)
class Lengths:
    """Plain training, decayed to zero in each of several lengths; ascending, means over the seeds.

    Attributes:
        backwards, seconds: `[L]`.
        error: `[L]` in [0, 1].
    """

    backwards: list[float]
    seconds: list[float]
    error: list[float]

    def at(self, axis: Axis, x: float) -> float | None:
        """Error of a plain run that ends at `x`, straight between the lengths in log x; None outside of them."""
        along = getattr(self, axis)
        if not along or not along[0] * 0.999 <= x <= along[-1] * 1.001:
            return None
        return float(np.interp(np.log(x), np.log(along), self.error))

    def needs(self, axis: Axis, error: float) -> tuple[str, float]:
        """Where plain training gets to an error: a sign and a number.

        ``""`` with what it needs; ``"<"`` with the shortest length, if that is better already; ``">"`` with the
        longest, if not even that gets there.
        """
        along, best = getattr(self, axis), np.minimum.accumulate(self.error)
        if error >= best[0]:
            return "<", along[0]
        if error < best[-1]:
            return ">", along[-1]
        at = int(np.argmax(best <= error))
        share = (best[at - 1] - error) / (best[at - 1] - best[at])
        return "", float(np.exp(np.log(along[at - 1]) + share * (np.log(along[at]) - np.log(along[at - 1]))))


def lengths_of(record: Record, data: str, noise: float = 0.0) -> Lengths:
    """The plain runs of a workload with the learning rate decayed to zero."""
    asked = {"data": data, "arm": PLAIN, "course": DECAYED, "noise": noise}
    shares = sorted({row["cell"]["share"] for row in record["rows"] if asked.items() <= row["cell"].items()})
    ends = [end_of(runs_of(record, data, PLAIN, DECAYED, share=share, noise=noise)) for share in shares]
    return Lengths([end.backwards for end in ends], [end.seconds for end in ends], [end.error for end in ends])


def gain(need: tuple[str, float], spent: float) -> tuple[str, float]:
    """How many times what was spent plain training needs: a sign as that of `Lengths.needs`, and the factor."""
    return need[0], need[1] / spent


# ---- runs with the thesis's learning rate: curves, and where they first get to an error


class Reached(NamedTuple):
    """What an arm has spent when its mean curve first is at or below an error, mean over the seeds."""

    backwards: float
    forwards: float
    seconds: float


def curve(rows: Rows, axis: str) -> Curve:
    """Test error along ``backwards`` or ``cpu_seconds``."""
    return curve_of({"arms": {"": {"runs": rows}}}, "", axis)


def reached(rows: Rows, error: float) -> Reached | None:
    """Where the mean curve first is at or below `error`; None if it never is."""
    at = reaches(curve(rows, "backwards"), error)
    if at is None:
        return None

    def there(columns: Sequence[Any]) -> float:
        return mean(float(np.interp(at, row["backwards"], column)) for row, column in zip(rows, columns, strict=True))

    return Reached(at, there([row["scoring_forwards"] for row in rows]), there([cpu_seconds(row) for row in rows]))


def bar_of(record: Record, data: str, factor: float) -> float:
    """`factor` times the final error of plain training with the thesis's learning rate, mean over the seeds."""
    return factor * end_of(runs_of(record, data, PLAIN, THESIS)).error


def factors_of(record: Record, data: str) -> list[float]:
    """The factors of `BARS` whose error plain training does not have after its first epoch anyway."""
    rows = runs_of(record, data, PLAIN, THESIS)
    if not rows:
        return []
    first = mean(row["test_error"][0] for row in rows)
    return [factor for factor in BARS if bar_of(record, data, factor) < first]


# ---- cost in forwards


def cost(backwards: float, forwards: float, ratio: float) -> float:
    """Cost in forwards of training on `backwards` examples and scoring `forwards`, if a backward costs `ratio` of them.

    An example that is trained on costs a forward and a backward; scoring costs a forward.
    """
    return forwards + backwards * (1 + ratio)


def measured_ratio(rows: Rows) -> float | None:
    """Processor time of a backward over that of a forward, t_step / t_score - 1; None = nothing was scored."""
    found = [
        (row["training_cpu_seconds"][-1] / row["backwards"][-1])
        / (row["scoring_cpu_seconds"][-1] / row["scoring_forwards"][-1])
        - 1
        for row in rows
        if row["scoring_forwards"][-1]
    ]
    return mean(found) if found else None
