"""What the pages show of the records of `benchmarks.on_gpu`."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from matplotlib.figure import Figure as Plot

from benchmarks.saving_lines import plain_seconds, ratio_text
from rheostat.figures import INK, dress, svg

PLAIN, GOVERNED, CONTROL, PROXY = "plain", "governed", "matched-random", "proxy"
PUBLISHED = {PLAIN: (34.7, 0.9603), PROXY: (27.3, 0.96)}
"""Seconds on one A100, with the last evaluation in them, and accuracy; the public repository's table."""

_WAYS = ("selective", "uniform")
Rows = list[dict[str, Any]]


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """The pieces of a record: a table (per network, if there are several), findings, conditions."""
    study = record["figure"].removeprefix("on-gpu-")
    if study == "overhead":
        made = {"table": _overhead(record), "findings": _lines(_overhead_findings(record))}
    elif study == "networks":
        made = {name: _runs(record, name) for name in _values(record, "network")}
        made["findings"] = _lines(_network_findings(record))
    else:
        made = {"table": _recipe(record), "findings": _lines(_recipe_findings(record))}
    return {**made, "conditions": _conditions(record)}


def plots(record: dict[str, Any]) -> dict[str, str]:
    """Error against seconds and against backwards, for each network."""
    if record["figure"] != "on-gpu-networks":
        return {}
    return {name: svg(_curves(record, name)) for name in _values(record, "network")}


def _values(record: dict[str, Any], name: str) -> list[Any]:
    return list(dict.fromkeys(row["cell"][name] for row in record["rows"]))


def _groups(rows: Iterable[dict[str, Any]], *names: str) -> dict[tuple[Any, ...], Rows]:
    groups: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        groups.setdefault(tuple(row["cell"][name] for name in names), []).append(row)
    return groups


def _mean(rows: Rows, name: str) -> float:
    return statistics.fmean(row[name] for row in rows)


def _spread(rows: Rows, name: str) -> str:
    values = [row[name] for row in rows]
    return f"{min(values):.2%} to {max(values):.2%}"


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _lines(said: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in said)


def _overhead(record: dict[str, Any]) -> str:
    def cells(name: str, rows: Rows) -> list[str]:
        selective, uniform = (statistics.median(ratio for row in rows for ratio in row[way]) for way in _WAYS)
        waits = rows[0]["waits_per_round"]
        return [
            name,
            f"{_mean(rows, 't_score') * 1e6:.1f} us",
            f"{_mean(rows, 't_step') * 1e6:.1f} us",
            f"{_mean(rows, 'share'):.0%}",
            f"{selective:.3f}",
            f"{uniform:.3f}",
            *("not counted" if waits[way] is None else f"{waits[way]:.2f}" for way in ("forward", "reuse", "training")),
        ]

    header = (
        "network",
        "t_score",
        "t_step",
        "kept",
        "selective / ideal",
        "uniform / plain",
        "waits per round, forward",
        "reuse",
        "training pass",
    )
    return _grid(header, (cells(name, rows) for (name,), rows in _groups(record["rows"], "network").items()))


def _overhead_findings(record: dict[str, Any]) -> list[str]:
    bar, said = record["setting"]["bar"], []
    for (name,), rows in _groups(record["rows"], "network").items():
        ratio = statistics.median(value for row in rows for value in row["selective"])
        verdict = "within" if ratio <= bar else "**misses**"
        said.append(f"{name}: the selective loop takes {ratio:.3f} x the ideal: {verdict} the bar of {bar:.2f}.")
    return said


def _runs(record: dict[str, Any], network: str) -> str:
    mine = [row for row in record["rows"] if row["cell"]["network"] == network]

    def cells(arm: str, epochs: int, rows: Rows) -> list[str]:
        candidates = _mean(rows, "candidates")
        return [
            arm,
            str(epochs),
            f"{_mean(rows, 'error'):.2%}",
            _spread(rows, "error"),
            f"{_mean(rows, 'backwards') / 1e6:.3f} M",
            f"{_mean(rows, 'forwards') / candidates:.2f}",
            f"{_mean(rows, 'seconds'):.1f}",
            *_beside_plain(mine, arm, rows),
            str(max(row["recompilations"] for row in rows)),
            str(len(rows)),
        ]

    header = (
        "arm",
        "epochs",
        "test error",
        "range",
        "backwards",
        "scoring forwards per candidate",
        "seconds",
        "of plain's seconds at its error",
        "recompilations",
        "seeds",
    )
    groups = _groups(mine, "arm", "epochs")
    return _grid(header, (cells(arm, epochs, rows) for (arm, epochs), rows in groups.items()))


def _beside_plain(mine: Rows, arm: str, rows: Rows) -> list[str]:
    """The seconds over those of the plain loop at the same error, which lies on the curve of its lengths."""
    return ["1" if arm == PLAIN else ratio_text(_ratio(mine, rows))]


def _ratio(mine: Rows, rows: Rows) -> tuple[float, str]:
    plain = [kept for (arm, _), kept in _groups(mine, "arm", "epochs").items() if arm == PLAIN]
    curve = [(_mean(kept, "seconds"), _mean(kept, "error")) for kept in plain]
    needed, sign = plain_seconds(curve, _mean(rows, "error"))
    return _mean(rows, "seconds") / needed, sign


def _network_findings(record: dict[str, Any]) -> list[str]:
    said = []
    for network in _values(record, "network"):
        mine = [row for row in record["rows"] if row["cell"]["network"] == network]
        arms = {arm: rows for (arm,), rows in _groups(mine, "arm").items()}
        if PLAIN not in arms or GOVERNED not in arms:
            continue
        ratio, sign = _ratio(mine, arms[GOVERNED])
        saves = "saves" if ratio < 1 and sign != ">" else "**saves no**"
        at = {
            "=": "the plain loop needs",
            "<": "its longest run takes, which does not reach it",
            ">": "its shortest takes",
        }
        said.append(
            f"{network}: the governed loader comes to {_mean(arms[GOVERNED], 'error'):.2%} in {ratio:.2f} of the "
            f"seconds that {at[sign]}: it {saves} time."
        )
        if CONTROL in arms:
            error = _mean(arms[CONTROL], "error")
            worse = "worse" if error > _mean(arms[GOVERNED], "error") else "**no worse**"
            trained = [f"{_mean(arms[arm], 'backwards'):,.0f}" for arm in (CONTROL, GOVERNED)]
            said.append(f"Any examples end there at {error:.2%}, {trained[0]} backwards against {trained[1]}: {worse}.")
        again = sum(row["recompilations"] for row in mine)
        said.append(f"{network}: {'nothing was' if not again else f'**{again} graphs were**'} compiled after warm-up.")
    return said


def _recipe(record: dict[str, Any]) -> str:
    def cells(arm: str, epochs: int, rows: Rows) -> list[str]:
        seconds, accuracy = PUBLISHED.get(arm, (None, None))
        return [
            arm,
            str(epochs),
            f"{1 - _mean(rows, 'error'):.2%}",
            f"{min(1 - row['error'] for row in rows):.2%} to {max(1 - row['error'] for row in rows):.2%}",
            f"{_mean(rows, 'seconds'):.1f}",
            f"{_mean(rows, 'backwards') / 1e6:.3f} M",
            str(len(rows)),
            "" if seconds is None else f"{seconds} s",
            "" if accuracy is None else f"{accuracy:.2%}",
        ]

    header = ("arm", "epochs", "accuracy", "range", "seconds", "backwards", "runs", "published, A100", "accuracy there")
    groups = _groups(record["rows"], "arm", "epochs")
    return _grid(header, (cells(arm, epochs, rows) for (arm, epochs), rows in groups.items()))


def _recipe_findings(record: dict[str, Any]) -> list[str]:
    arms = {arm: rows for (arm,), rows in _groups(record["rows"], "arm").items()}
    if PLAIN not in arms:
        return []
    seconds, error = _mean(arms[PLAIN], "seconds"), _mean(arms[PLAIN], "error")
    return [
        f"{arm}: {_mean(rows, 'seconds') / seconds:.2f} of the plain recipe's seconds, and "
        f"{100 * (error - _mean(rows, 'error')):+.2f} points of accuracy."
        for arm, rows in arms.items()
        if arm != PLAIN
    ]


def _conditions(record: dict[str, Any]) -> str:
    at, setting = record["environment"], record["setting"]
    schedule = f" {setting['schedule'][0].upper()}{setting['schedule'][1:]}." if "schedule" in setting else ""
    tried = " Only a try: made-up images and tiny networks." if setting["quick"] else ""
    return (
        f"CIFAR-10 on {setting['device']}, torch {at['packages']['torch']}, commit {at['commit']}; batches of "
        f"{setting['batch']}. Compilation and evaluation are not in the seconds.{schedule}{tried}"
    )


def _curves(record: dict[str, Any], network: str) -> Plot:
    figure = Plot(figsize=(9, 4), layout="constrained")
    mine = [row for row in record["rows"] if row["cell"]["network"] == network]
    by_arm = {arm: _groups(rows, "epochs") for (arm,), rows in _groups(mine, "arm").items()}
    across: dict[str, Callable[[Rows], float]] = {
        "seconds, compilation and evaluation left out": lambda rows: _mean(rows, "seconds"),
        "backwards, millions": lambda rows: _mean(rows, "backwards") / 1e6,
    }
    for axes, (label, of) in zip(figure.subplots(1, 2, sharey=True), across.items(), strict=True):
        dress(axes)
        for arm, lengths in by_arm.items():
            at, errors = (
                [of(rows) for rows in lengths.values()],
                [100 * _mean(rows, "error") for rows in lengths.values()],
            )
            axes.plot(at, errors, "o-" if arm == PLAIN else "s", label=arm)
        axes.set_xlabel(label)
    axes = figure.axes[0]
    axes.set_ylabel("test error, %")
    axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    axes.set_title(f"CIFAR-10, {network}, {record['setting']['device']}", color=INK, fontsize=10, loc="left")
    return figure
