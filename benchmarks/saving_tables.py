"""What the pages show of the records of `benchmarks/saving.py`: tables, findings, plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Plot
from matplotlib.ticker import FuncFormatter

from benchmarks.saving_places import BARS, CONTROL, GOVERNED, PLACES, PLAIN
from reproductions.running import Row
from rheostat.figures import INK, dress, svg
from rheostat.select.plots import sources_over_time

NEVER_ABOVE = 1.03  # of the processor seconds per candidate, everywhere
AS_MANY = 0.05  # numbers of backwards that differ by less are called equal
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


def _ratio(ratio: tuple[float, str]) -> str:
    value, sign = ratio
    return f"{'' if sign == '=' else sign + ' '}{value:.2f}"


def _bounds(ratio: tuple[float, str]) -> tuple[float, float]:
    """The least and the most that a ratio with its sign can be."""
    value, sign = ratio
    return (0.0 if sign == "<" else value), (np.inf if sign == ">" else value)


def _table(record: dict[str, Any], place: str) -> str:
    walls = wall_counts(record, place)
    header = [
        *("arm", "epochs", "seeds", "test error", "range", "backwards", "scoring forwards", "CPU s"),
        *(["wall s"] if walls else []),
        *("CPU per candidate, of plain's", "of plain's CPU time"),
        *(["of plain's wall time"] if walls else []),
    ]
    rows = [header, ["---", *["---:"] * (len(header) - 1)]]
    for line in lines_of(record):
        if line.place == place:
            mean, low, high = line.error
            plain = line.arm == PLAIN
            cost = "1" if plain else "" if line.paired is None else f"{line.paired.cost[0]:.2f}"
            rows.append(
                [
                    *(line.arm, str(line.epochs), str(len(line.seeds)), f"{mean:.2%}", f"{low:.2%} to {high:.2%}"),
                    *(f"{line.backwards:.2f}", f"{line.forwards:.2f}", f"{line.cpu:.0f}"),
                    *([f"{line.wall:.0f}"] if walls else []),
                    *(cost, "1" if plain else _ratio(line.ratio)),
                    *(["1" if plain else _ratio(line.wall_ratio)] if walls else []),
                ]
            )
    return "\n".join(f"| {' | '.join(cells_)} |" for cells_ in rows)


def findings(record: dict[str, Any]) -> list[str]:
    """Win or loss of the governed loader in each place, against the bars of the project."""
    said = []
    lines = lines_of(record)
    for name in PLACES:
        mine = [line for line in lines if line.place == name]
        governed = [line for line in mine if line.arm == GOVERNED]
        if not governed:
            continue
        best = best_of(governed)
        for line in governed:
            if name in BARS:
                said.append(_time_to_error(line, BARS[name] if line is best else None, wall_counts(record, name)))
            said.append(_cost(line))
        others = [line for line in mine if line.governed and line.arm != GOVERNED]
        said += [_cost(line) for line in others]
        for line in others:
            if (line.arm, line.epochs) == (CONTROL, best.epochs) and line.seeds & best.seeds:
                said.append(beside_control(*_of_common_seeds(record, best, line)))
        pairs = [_of_common_seeds(record, best, line) for line in others if line.seeds & best.seeds]
        better = [
            (rival, own)
            for own, rival in pairs
            if rival.arm != CONTROL and _bounds(rival.ratio)[1] < _bounds(own.ratio)[0]
        ]
        if better:
            rival, own = min(better, key=lambda pair: pair[0].ratio[0])
            said.append(
                f"The best governed loader that was tried there is {rival.arm}: {rival.error[0]:.2%} in "
                f"{_ratio(rival.ratio)} of plain's processor time to that error ({rival.epochs} epochs), against "
                f"{_ratio(own.ratio)} of the governed Selective-Backprop ({own.epochs} epochs; {_seeds(own)} of both)."
            )
    return said


def headline(record: dict[str, Any]) -> list[str]:
    """The best of the governed lengths against its bar, and the control beside it, in each place that has a bar."""
    said = []
    for name, bar in BARS.items():
        mine = [line for line in lines_of(record) if line.place == name]
        governed = [line for line in mine if line.arm == GOVERNED]
        if governed:
            best = best_of(governed)
            said.append(_time_to_error(best, bar, wall_counts(record, name)))
            said += [
                beside_control(*_of_common_seeds(record, best, line))
                for line in mine
                if (line.arm, line.epochs) == (CONTROL, best.epochs) and line.seeds & best.seeds
            ]
    return said


def best_of(lines: Sequence[Line]) -> Line:
    """The line with the lowest ratio, among those whose error the plain curve reaches or does not come to, if any."""
    known = [line for line in lines if line.ratio[1] != ">"]
    return min(known or lines, key=lambda line: line.ratio[0])


def _of_common_seeds(record: dict[str, Any], one: Line, other: Line) -> tuple[Line, Line]:
    """Two lines of a place, with the seeds that both have."""
    lines = {(line.place, line.arm, line.epochs): line for line in lines_of(record, one.seeds & other.seeds)}
    return lines[one.place, one.arm, one.epochs], lines[other.place, other.arm, other.epochs]


def _seeds(line: Line) -> str:
    return f"{len(line.seeds)} seed{'' if len(line.seeds) == 1 else 's'}"


def _time_to_error(line: Line, bar: float | None, walls: bool) -> str:
    at = {
        "=": "that the plain loop needs for that error",
        "<": "of the best plain run, which does not come to that error",
        ">": "of the shortest plain run, which has a lower error",
    }
    wall = f"{_ratio(line.wall_ratio)} of its wall-clock time; " if walls else ""
    verdict = ""
    if bar is not None:
        within = line.ratio[0] <= bar and line.ratio[1] != ">"
        verdict = f": {'within' if within else '**misses**'} the bar of {bar:.2f}"
    return (
        f"{PLACES[line.place].what}: the governed loader comes to {line.error[0]:.2%} in {_ratio(line.ratio)} of the "
        f"processor time {at[line.ratio[1]]} ({wall}{line.epochs} epochs, {_seeds(line)}){verdict}."
    )


def _cost(line: Line) -> str:
    """What a candidate costs, against the bar that holds everywhere."""
    where = (
        "P" if line.place in BARS else f"{PLACES[line.place].what}: p"
    )  # a sentence before it has named a place of BARS
    who = f"{where}er candidate, {line.arm} ({line.epochs} epochs, {_seeds(line)})"
    if line.paired is None:
        return f"{who} cannot be compared: no plain run has its seeds."
    median, low, high = line.paired.cost
    verdict = "within" if median <= NEVER_ABOVE else "**misses**"
    beside = ", whose runs have other lengths"
    if line.paired.difference is not None:
        mean, least, most = (100 * value for value in line.paired.difference)
        beside = f", at an error {mean:+.2f} points from plain's ({least:+.2f} to {most:+.2f})"
    return (
        f"{who} takes {median:.2f} of the processor seconds of plain with the same seed ({low:.2f} to {high:.2f})"
        f"{beside}: {verdict} the bar of {NEVER_ABOVE:.2f}."
    )


def beside_control(governed: Line, control: Line) -> str:
    """Whether any other examples would have done as well, with the same seeds; not said where it cannot be known.

    The control is worse if it takes more of plain's time to its error, or ends at a higher error after no less time.
    """
    chosen, any_ = governed.backwards * governed.candidates, control.backwards * control.candidates
    as_many = abs(any_ / chosen - 1) <= AS_MANY
    (least, most), (own_least, own_most) = _bounds(control.ratio), _bounds(governed.ratio)
    higher, longer = control.error[0] > governed.error[0], control.cpu >= governed.cpu
    if least > own_most:
        verdict = "worse"
    elif most <= own_least:
        verdict = "**not worse**"
    elif higher and longer:
        verdict = "worse"
    elif not higher and control.cpu <= governed.cpu:
        verdict = "**not worse**"
    else:
        verdict = "not comparable, as the plain runs do not reach so far"
    return (
        f"The control there, {'as many examples but any' if as_many else 'any examples, not as many'} "
        f"({any_:,.0f} backwards against {chosen:,.0f}), ends at {control.error[0]:.2%} after {control.cpu:.0f} s of "
        f"the processor where the choice ends at {governed.error[0]:.2%} after {governed.cpu:.0f} s; that is "
        f"{_ratio(control.ratio)} of plain's time to that error against {_ratio(governed.ratio)} "
        f"({_seeds(governed)}): {verdict}."
    )


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """What the documentation shows of the record."""
    at = record["environment"]
    measured = {row["cell"]["place"] for row in record["rows"]}
    arms: dict[str, set[str]] = {}
    for row in record["rows"]:  # a record may be gone on with at a later commit
        arms.setdefault(row.get("commit", at["commit"]), set()).add(row["cell"]["arm"])
    if len(arms) == 1:
        commits = f"commit {next(iter(arms))}"
    else:
        commits = "commits " + ", ".join(f"{commit} ({', '.join(sorted(names))})" for commit, names in arms.items())
    conditions = (
        f"One thread per run, on {at['processor']} with {at['cores']} cores, torch "
        f"{at['packages']['torch']}, {commits}. Evaluation is not in the seconds."
    )
    shared = [wall_per_cpu(record, place) for place in sorted(measured) if not wall_counts(record, place)]
    if shared:
        low, high = min(low for low, _ in shared), max(high for _, high in shared)
        conditions += (
            f" The machine was shared: wall-clock seconds of a run were {low:.1f} to {high:.1f} times its processor "
            "seconds, so wall-clock time is not compared."
        )
    tables = {name.replace("-", "_"): _table(record, name) for name in PLACES if name in measured}
    told = {"findings": findings(record), "headline": headline(record)}
    lists = {name: "\n".join(f"- {line}" for line in lines) for name, lines in told.items()}
    return {**tables, **lists, "conditions": conditions}


def plots(record: dict[str, Any]) -> dict[str, str]:
    """Error against seconds in each place, and what the governor chose over time in its longest run."""
    drawn = {}
    for name in dict.fromkeys(line.place for line in lines_of(record) if line.place in BARS):
        drawn["error"] = svg(_against_time(record, name))
        runs = [entry for entry in record["rows"] if (entry["cell"]["place"], entry["cell"]["arm"]) == (name, GOVERNED)]
        if runs:
            longest = max(runs, key=lambda entry: (entry["cell"]["epochs"], -entry["cell"]["seed"]))
            drawn["governor"] = sources_over_time([_epoch(epoch) for epoch in longest["by_epoch"]])
    return drawn


def _epoch(kept: dict[str, Any]) -> dict[str, Any]:
    """An epoch as the records of a run have it."""
    speeds = {f"{name}_speedup": kept[name] for name in ("predicted", "actual")}
    return {
        "modes": kept["modes"],
        "kept_share": kept["kept_share"],
        "selection": {"break_even": kept["break_even"], **speeds},
    }


def _against_time(record: dict[str, Any], place: str) -> Plot:
    figure = Plot(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    dress(axes)
    lines = [line for line in lines_of(record) if line.place == place]
    plain = sorted((line for line in lines if line.arm == PLAIN), key=lambda line: line.cpu)
    axes.plot([line.cpu for line in plain], [100 * line.error[0] for line in plain], "o-", color="#5b6773", label=PLAIN)
    colours = ("#d1495b", "#e2a03f", "#3d8c6f", "#7b5ea7", "#00798c", "#8d6a4f", "#2b7bba")
    for colour, arm in zip(colours, dict.fromkeys(line.arm for line in lines if line.arm != PLAIN), strict=False):
        mine = [line for line in lines if line.arm == arm]
        axes.plot([line.cpu for line in mine], [100 * line.error[0] for line in mine], "s--", color=colour, label=arm)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("processor seconds, evaluation left out")
    axes.set_ylabel("test error, %")
    axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    axes.set_title(PLACES[place].what, color=INK, fontsize=10, loc="left")
    return figure
