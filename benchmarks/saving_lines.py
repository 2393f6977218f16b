"""The records of `benchmarks/saving.py` in numbers: one line per arm and length, beside the plain loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.saving_places import PLACES, PLAIN
from reproductions.running import Row

UNSHARED = 1.10  # highest over lowest wall time per processor time of the runs for which wall time says something


def plain_seconds(curve: Sequence[tuple[float, float]], error: float) -> tuple[float, str]:
    """Seconds that the plain loop needs for an error, between the runs of its curve on a line of log over log.

    A run that is no better than a shorter one is no part of the curve: nobody needs it.

    Args:
        curve: Seconds and error in (0, 1] of each length, means over seeds.
        error: In (0, 1].

    Returns:
        The seconds, and ``=``; or those of the best plain run and ``<`` if none is as good (it would need more), or
        those of the shortest and ``>`` if all are better (it needs less).
    """
    needed: list[tuple[float, float]] = []
    for point in sorted(curve):
        if not needed or point[1] < needed[-1][1]:
            needed.append(point)
    seconds, errors = (np.log(values) for values in zip(*needed, strict=True))
    wanted = float(np.log(error))
    if wanted < errors[-1]:
        return float(np.exp(seconds[-1])), "<"
    if wanted > errors[0]:
        return float(np.exp(seconds[0])), ">"
    return float(np.exp(np.interp(-wanted, -errors, seconds))), "="


@dataclass(frozen=True)
class Paired:
    """A line beside plain runs of the same seeds, as long as it if there are any, and of the nearest length if not.

    Attributes:
        cost: Its processor seconds per candidate over plain's; median, lowest and highest of the seeds.
        difference: Its error less that of plain; mean, lowest and highest. None = plain has no run as long.
    """

    cost: tuple[float, float, float]
    difference: tuple[float, float, float] | None


@dataclass(frozen=True)
class Line:
    """One arm of one length, over its seeds.

    Attributes:
        place, arm, epochs: What it is.
        error: Mean, lowest and highest, in [0, 1].
        cpu, wall: Mean seconds.
        candidates: Mean number of examples.
        backwards, forwards: Mean numbers of examples, in shares of the candidates.
        ratio, wall_ratio: Its seconds over those of the plain loop, with the same seeds, at its mean error; with a
            ``<`` or ``>`` where the plain curve does not reach so far (`plain_seconds`).
        paired: Beside plain runs, seed by seed; None = none has a seed of its.
        seeds: Which.
    """

    place: str
    arm: str
    epochs: int
    error: tuple[float, float, float]
    cpu: float
    wall: float
    candidates: float
    backwards: float
    forwards: float
    ratio: tuple[float, str]
    wall_ratio: tuple[float, str]
    paired: Paired | None
    seeds: frozenset[int]

    @property
    def governed(self) -> bool:
        """Whether measured times chose its mode."""
        return self.arm != PLAIN and bool(PLACES[self.place].options[self.arm].get("govern"))


def paired(rows: Sequence[Row], plain: Sequence[Row]) -> Paired | None:
    """Compare the runs of one arm and length with those plain runs of each seed that are nearest to them in length."""
    costs, differences = [], []
    for entry in rows:
        epochs = entry["cell"]["epochs"]
        of_seed = [other for other in plain if other["cell"]["seed"] == entry["cell"]["seed"]]
        if not of_seed:
            continue
        other = min(of_seed, key=lambda row: abs(row["cell"]["epochs"] - epochs))
        costs.append((entry["cpu_seconds"] / entry["candidates"]) / (other["cpu_seconds"] / other["candidates"]))
        if other["cell"]["epochs"] == epochs:
            differences.append(entry["error"] - other["error"])
    if not costs:
        return None
    by_seed = (float(np.mean(differences)), min(differences), max(differences)) if differences else None
    return Paired((float(np.median(costs)), min(costs), max(costs)), by_seed)


def lines_of(record: dict[str, Any], seeds: frozenset[int] | None = None) -> list[Line]:
    """All arms and lengths of a record, in the order of its cells; of all seeds, or of some."""
    groups: dict[tuple[str, str, int], list[Row]] = {}
    for entry in record["rows"]:
        cell = entry["cell"]
        if seeds is None or cell["seed"] in seeds:
            groups.setdefault((cell["place"], cell["arm"], cell["epochs"]), []).append(entry)
    return [_line(key, rows, groups) for key, rows in groups.items()]


def _line(key: tuple[str, str, int], rows: list[Row], groups: dict[tuple[str, str, int], list[Row]]) -> Line:
    place, arm, epochs = key
    seeds = frozenset(entry["cell"]["seed"] for entry in rows)
    plain = [
        [entry for entry in others if entry["cell"]["seed"] in seeds]
        for (at, name, _), others in groups.items()
        if (at, name) == (place, PLAIN)
    ]

    def mean(rows: list[Row], name: str) -> float:
        return float(np.mean([entry[name] for entry in rows]))

    def ratio(unit: str) -> tuple[float, str]:
        curve = [(mean(others, unit), mean(others, "error")) for others in plain if others]
        needed, sign = plain_seconds(curve, mean(rows, "error"))
        return mean(rows, unit) / needed, sign

    errors = [entry["error"] for entry in rows]
    candidates = mean(rows, "candidates")
    return Line(
        place=place,
        arm=arm,
        epochs=epochs,
        error=(float(np.mean(errors)), min(errors), max(errors)),
        cpu=mean(rows, "cpu_seconds"),
        wall=mean(rows, "seconds"),
        candidates=candidates,
        backwards=mean(rows, "backwards") / candidates,
        forwards=mean(rows, "forwards") / candidates,
        ratio=ratio("cpu_seconds"),
        wall_ratio=ratio("seconds"),
        paired=paired(rows, [entry for others in plain for entry in others]),
        seeds=seeds,
    )


def wall_per_cpu(record: dict[str, Any], place: str) -> tuple[float, float]:
    """Lowest and highest wall-clock seconds per processor second of the runs of a place."""
    shares = [row["seconds"] / row["cpu_seconds"] for row in record["rows"] if row["cell"]["place"] == place]
    return min(shares), max(shares)


def wall_counts(record: dict[str, Any], place: str) -> bool:
    """Whether wall-clock time says something of the arms there, and not of what else the machine was doing."""
    low, high = wall_per_cpu(record, place)
    return high <= low * UNSHARED


def bounds(ratio: tuple[float, str]) -> tuple[float, float]:
    """The least and the most that a ratio with its sign can be."""
    value, sign = ratio
    return (0.0 if sign == "<" else value), (np.inf if sign == ">" else value)


def ratio_text(ratio: tuple[float, str]) -> str:
    """A ratio as the pages show it, with its sign if it is only a bound."""
    value, sign = ratio
    return f"{'' if sign == '=' else sign + ' '}{value:.2f}"


def best_of(lines: Sequence[Line]) -> Line:
    """The line with the lowest ratio, among those whose error the plain curve reaches or does not come to, if any."""
    known = [line for line in lines if line.ratio[1] != ">"]
    return min(known or lines, key=lambda line: line.ratio[0])


def of_common_seeds(record: dict[str, Any], one: Line, other: Line) -> tuple[Line, Line]:
    """Two lines of a place, with the seeds that both have."""
    lines = {(line.place, line.arm, line.epochs): line for line in lines_of(record, one.seeds & other.seeds)}
    return lines[one.place, one.arm, one.epochs], lines[other.place, other.arm, other.epochs]
