"""What the pages show of the records of `benchmarks/saving.py`: tables, findings, plots."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure as Plot
from matplotlib.ticker import FuncFormatter

from benchmarks.saving_lines import (
    Line,
    best_of,
    bounds,
    lines_of,
    of_common_seeds,
    ratio_text,
    wall_counts,
    wall_per_cpu,
)
from benchmarks.saving_places import BARS, CONTROL, GOVERNED, NEVER_ABOVE, PLACES, PLAIN
from rheostat.figures import INK, dress, svg
from rheostat.select.plots import sources_over_time

AS_MANY = 0.05  # numbers of backwards that differ by less are called equal


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
                    *(cost, "1" if plain else ratio_text(line.ratio)),
                    *(["1" if plain else ratio_text(line.wall_ratio)] if walls else []),
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
                said.append(beside_control(*of_common_seeds(record, best, line)))
        pairs = [of_common_seeds(record, best, line) for line in others if line.seeds & best.seeds]
        better = [
            (rival, own)
            for own, rival in pairs
            if rival.arm != CONTROL and bounds(rival.ratio)[1] < bounds(own.ratio)[0]
        ]
        if better:
            rival, own = min(better, key=lambda pair: pair[0].ratio[0])
            said.append(
                f"The best governed loader that was tried there is {rival.arm}: {rival.error[0]:.2%} in "
                f"{ratio_text(rival.ratio)} of plain's processor time to that error ({rival.epochs} epochs), against "
                f"{ratio_text(own.ratio)} of the governed Selective-Backprop ({own.epochs} epochs; {_seeds(own)} of "
                "both)."
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
                beside_control(*of_common_seeds(record, best, line))
                for line in mine
                if (line.arm, line.epochs) == (CONTROL, best.epochs) and line.seeds & best.seeds
            ]
    return said


def _seeds(line: Line) -> str:
    return f"{len(line.seeds)} seed{'' if len(line.seeds) == 1 else 's'}"


def _time_to_error(line: Line, bar: float | None, walls: bool) -> str:
    at = {
        "=": "that the plain loop needs for that error",
        "<": "of the best plain run, which does not come to that error",
        ">": "of the shortest plain run, which has a lower error",
    }
    wall = f"{ratio_text(line.wall_ratio)} of its wall-clock time; " if walls else ""
    verdict = ""
    if bar is not None:
        within = line.ratio[0] <= bar and line.ratio[1] != ">"
        verdict = f": {'within' if within else '**misses**'} the bar of {bar:.2f}"
    return (
        f"{PLACES[line.place].what}: the governed loader comes to {line.error[0]:.2%} in {ratio_text(line.ratio)} of "
        f"the processor time {at[line.ratio[1]]} ({wall}{line.epochs} epochs, {_seeds(line)}){verdict}."
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
    (least, most), (own_least, own_most) = bounds(control.ratio), bounds(governed.ratio)
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
        f"{ratio_text(control.ratio)} of plain's time to that error against {ratio_text(governed.ratio)} "
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
