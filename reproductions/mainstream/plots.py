"""The plots: what was published as markers, ours as lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from reproductions.mainstream.schedule_tables import by_cell
from reproductions.mainstream.schedules import APPS, BUDGET
from reproductions.mainstream.tables import Record
from reproductions.mainstream.voting import FREE
from rheostat.figures import INK, dress

_GREY = "#5b6773"
# Okabe and Ito's colours, which people with any colour vision tell apart
_BLUE, _RED, _GREEN, _AMBER, _PINK, _SKY = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9"
_MARKS = ("o", "s", "^", "D", "v", "P")


def _canvas(titles: Sequence[str], height: float = 3.9, *, share_y: bool = True) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(9.0 if len(titles) > 1 else 7.4, height), layout="constrained")
    panels = list(np.ravel(figure.subplots(1, len(titles), sharey=share_y)))
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, loc="left", color=INK, fontsize=11)
        dress(axes)
    return figure, panels


def _legend(figure: Figure, axes: Axes) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)


def _published(axes: Axes, x: Any, y: Any, colour: str, label: str, mark: str = "o") -> None:
    axes.plot(x, y, mark, ms=5, mfc="none", mec=colour, mew=1.3, label=label, clip_on=False)


def recall(record: Record) -> Figure:
    """Fig. 3: per data set the measured recall, and the published and the right form of each prediction."""
    sets = list(dict.fromkeys(row["cell"]["dataset"] for row in record["rows"]))
    figure, panels = _canvas([f"Recall, {name} events" for name in sets], share_y=False)
    styles = {"dependent-whole": (_AMBER, "^"), "independent-whole": (_BLUE, "s"), "correlation": (_RED, "o")}
    for axes, name in zip(panels, sets, strict=True):
        rows = {row["cell"]["curve"]: row for row in record["rows"] if row["cell"]["dataset"] == name}
        for curve, (colour, mark) in styles.items():
            strides, curves = rows[curve]["strides"], rows[curve]["curves"]
            axes.plot(strides, curves["stride"], color=colour, lw=1.6, label=f"{curve}, Eq. 1")
            _published(axes, strides, curves["published"], colour, f"{curve}, published", mark)
        measured = rows["correlation"]
        axes.plot(
            measured["strides"],
            measured["curves"]["measured"],
            color=INK,
            lw=1.2,
            ls=(0, (3, 2)),
            label="measured, published",
        )
        axes.set_xlabel("stride between samples, frames")
        axes.set_ylim(0.9 * min(measured["curves"]["measured"]), 1.02)
    _legend(figure, panels[0])
    return figure


def throughput(record: Record) -> Figure:
    """Fig. 4a: measured rates as markers; by the latencies dashed, by shares fitted to the rates as lines."""
    figure, panels = _canvas([f"Frames per second per app, {row['cell']['net']}" for row in record["rows"]])
    for axes, row in zip(panels, record["rows"], strict=True):
        apps, share = np.array(row["apps"]), np.array(row["frozen"]) / row["layers"]
        for number, colour, mark in zip((1, 2, 4, 8), (_GREY, _BLUE, _RED, _GREEN), _MARKS, strict=False):
            at = apps == number
            if not at.any():
                continue
            axes.plot(share[at], np.array(row["own_share"]["fps"])[at], color=colour, lw=1.6, label=f"{number}: shares")
            by_latency = np.array(row["one_rate"]["fps"])[at]
            axes.plot(share[at], by_latency, color=colour, lw=1.2, ls=(0, (3, 2)), label=f"{number}: latencies")
            _published(axes, share[at], np.array(row["published"])[at], colour, f"{number}: measured", mark)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel("share of layers shared")
    panels[0].set_ylim(0, 1.05 * max(max(row["published"]) for row in record["rows"]))  # of both: they share the axis
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9, title="apps"
    )
    return figure


def accuracy(record: Record) -> Figure:
    """Fig. 4b: one line per app, dominated points overwritten, with the raw points as markers."""
    figure, (axes,) = _canvas(["Hit rate per frame against the share of layers frozen"])
    colours = (_BLUE, _RED, _GREEN, _AMBER, _PINK, _SKY)
    for number, row in enumerate(record["rows"]):
        colour, dash = colours[number % 6], "-" if number < 6 else (0, (4, 2))
        share = np.array(row["frozen"]) / row["layers"]
        axes.plot(share, row["hit_without_dominated"], color=colour, lw=1.5, ls=dash, label=row["cell"]["app"])
        axes.plot(share, row["hit"], _MARKS[number % 6], ms=3.5, mfc="none", mec=colour, mew=1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("share of layers frozen; markers: as published, before dominated points are overwritten")
    _legend(figure, axes)
    return figure


_MODES = (
    ("Mainstream", "mainstream", _BLUE, "o"),
    ("Max-Sharing", "maxsharing", _RED, "s"),
    ("No-Sharing", "nosharing", _GREEN, "^"),
)
_OPTIMAL = (
    ("anything", "any", _BLUE),
    ("all but head", "head", _AMBER),
    ("max", "max", _RED),
    ("nothing", "none", _GREEN),
)


def _modes(axes: Axes, rows: Sequence[dict[str, Any]], axis: str, name: str) -> None:
    x = [row["cell"][axis] for row in rows]
    for label, sharing, colour in _OPTIMAL:
        axes.plot(
            x, [row["exact"][sharing][name] for row in rows], color=colour, lw=1.8, label=f"optimal, {label} shared"
        )
    both = [row for row in rows if "published" in row]
    for label, mode, colour, mark in _MODES:
        y = [row["published"][mode][name] for row in both]
        _published(axes, [row["cell"][axis] for row in both], y, colour, f"{label}, published", mark)
    axes.set_ylim(0, 1)


def _of_budget(record: Record) -> list[dict[str, Any]]:
    return [row for (_, budget), row in sorted(by_cell(record).items()) if budget == BUDGET]


def f1_by_apps(record: Record) -> Figure:
    """Fig. 6."""
    figure, (axes,) = _canvas([f"Mean F1 per event, budget {BUDGET}"])
    _modes(axes, _of_budget(record), "apps", "f1")
    axes.set_xlabel("apps")
    _legend(figure, axes)
    return figure


def recall_by_apps(record: Record) -> Figure:
    """Fig. 7."""
    figure, panels = _canvas([f"Recall, budget {BUDGET}", "Precision"])
    for axes, name in zip(panels, ("recall", "precision"), strict=True):
        _modes(axes, _of_budget(record), "apps", name)
        axes.set_xlabel("apps")
    _legend(figure, panels[0])
    return figure


def f1_by_budget(record: Record) -> Figure:
    """Fig. 8."""
    figure, (axes,) = _canvas([f"Mean F1 per event, {APPS} apps"])
    _modes(axes, [row for (apps, _), row in sorted(by_cell(record).items()) if apps == APPS], "budget", "f1")
    axes.set_xlabel("budget")
    _legend(figure, axes)
    return figure


def gaps(record: Record) -> Figure:
    """Mean loss of the published rule, a line per budget."""
    figure, (axes,) = _canvas(["How far the published rule is below the optimum"])
    cells = by_cell(record)
    colours = (_GREY, _GREEN, _RED, _AMBER, _BLUE, _SKY)
    for budget, colour, mark in zip(sorted({b for _, b in cells}), colours, _MARKS, strict=True):
        line = [(apps, row["gap"]["mean"]) for (apps, b), row in sorted(cells.items()) if b == budget]
        axes.plot(*zip(*line, strict=True), marker=mark, ms=4, color=colour, lw=1.5, label=f"budget {budget}")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylim(0, None)
    axes.set_xlabel("apps; mean over workloads of (optimal - rule) / optimal")
    _legend(figure, axes)
    return figure


def votes(record: Record) -> Figure:
    """Fig. 9, both data sets."""
    sets = list(dict.fromkeys(row["cell"]["dataset"] for row in record["rows"]))
    figure, panels = _canvas([f"Mean F1 per event, {name}" for name in sets])
    styles = {1: (_GREY, "o"), 3: (_BLUE, "s"), 5: (_RED, "^"), 7: (_GREEN, "D")}
    for axes, name in zip(panels, sets, strict=True):
        rows = {row["cell"]["votes"]: row for row in record["rows"] if row["cell"]["dataset"] == name}
        axes.plot(rows[FREE]["apps"], rows[FREE]["exact"]["mean_f1"], color=INK, lw=2.4, label="optimal, votes chosen")
        for number, (colour, mark) in styles.items():
            row = rows[number]
            label = "1 vote" if number == 1 else f"{number} votes"
            axes.plot(row["apps"], row["exact"]["mean_f1"], color=colour, lw=1.5, label=f"optimal, {label}")
            _published(axes, row["apps"], row["published"]["mean_f1"], colour, f"published, {label}", mark)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("apps")
    _legend(figure, panels[0])
    return figure


def correlations(record: Record) -> Figure:
    """Correlation by distance with intervals, beside the pooled figure."""
    (row,) = record["rows"]
    lags = row["lags"]
    figure, (axes,) = _canvas(["Correlation of the misses of one event, pedestrian"], 3.4)
    x, c = ([lag[name] for lag in lags] for name in ("lag", "correlation"))
    axes.fill_between(x, [lag["low"] for lag in lags], [lag["high"] for lag in lags], color=_BLUE, alpha=0.15, lw=0)
    axes.plot(x, c, "-", color=_BLUE, lw=1.8, marker="o", ms=4, label="by distance, 95 %")
    axes.axhline(row["pooled"]["correlation"], color=_RED, lw=1.5, label="all pairs pooled")
    constant = row["published"]["correlation"]["pedestrian"]
    axes.axhline(constant, color=_GREY, lw=1.2, ls=(0, (3, 2)), label="constant of the code")
    axes.set_xscale("log")
    axes.set_xticks(x, [str(lag) for lag in x])
    axes.minorticks_off()
    axes.set_xlabel("frames apart")
    _legend(figure, axes)
    return figure


PLOTS: dict[str, dict[str, Callable[[Record], Figure]]] = {
    "fig3": {"recall-against-stride": recall},
    "fig4a": {"throughput": throughput},
    "fig4b": {"accuracy-against-frozen": accuracy},
    "fig6-8": {
        "f1-against-apps": f1_by_apps,
        "recall-and-precision": recall_by_apps,
        "f1-against-budget": f1_by_budget,
        "greedy-gap": gaps,
    },
    "fig9": {"votes": votes},
    "correlation": {"correlation-by-lag": correlations},
}
