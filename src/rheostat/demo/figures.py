"""The figures of the demo, as SVG, each with what it shows in words. Needs matplotlib."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot
from matplotlib.ticker import PercentFormatter

from rheostat.bench import plots_of
from rheostat.demo import augment
from rheostat.figures import INK, dress, svg
from rheostat.share.curve import STYLES

_RIGHT, _FALSE, _THERE, _FOUND = "#0072b2", "#d55e00", "#b0b8c1", "#3d8c6f"
_WIDTH = 7.4  # inches


class Figure(NamedTuple):
    """A figure.

    Attributes:
        name: Of its file, without the suffix.
        svg: The document.
        caption: What to see in it.
    """

    name: str
    svg: str
    caption: str


def figures_of(record: dict[str, Any]) -> list[Figure]:
    """The figures of a chapter."""
    return {"select": _of_select, "augment": _of_augment, "share": _of_share}[record["chapter"]](record)


def _of_select(record: dict[str, Any]) -> list[Figure]:
    plots = plots_of(record["comparison"])
    return [
        Figure(
            "error-against-backwards",
            plots["error-against-backwards"],
            "Test error against the number of examples trained on. Dashed: plain's final error.",
        ),
        Figure(
            "error-against-seconds",
            plots["error-against-seconds"],
            "The same against processor time, with all that choosing costs.",
        ),
    ]


def _of_augment(record: dict[str, Any]) -> list[Figure]:
    return [
        Figure(
            "suspects",
            svg(_suspects(record)),
            "How many of the suspects are wrong, and how many of the wrong labels are among them, against the share of "
            "the examples that is looked at. Dots: what a reviewer would have estimated by then, with 95 % "
            "intervals.",
        ),
        Figure(
            "labels",
            svg(_errors(record)),
            "Test error of every run (a dot each) and their mean (a bar), by the labels that were trained with.",
        ),
    ]


def _suspects(record: dict[str, Any]) -> Plot:
    found = record["suspects"]
    curve, noise = found["curve"], record["planted"] / record["examples"]
    plot, axes = _canvas(3.6)
    axes.plot(curve["reviewed"], curve["precision"], color=_FALSE, lw=2, label="precision, by the truth")
    axes.plot(curve["reviewed"], curve["recall"], color=_RIGHT, lw=2, ls=(0, (6, 2)), label="wrong labels found")
    axes.axhline(noise, color=INK, lw=1, ls=(0, (1, 2)), label="examples at random")
    known = [one for one in found["estimates"] if one["precision"] is not None]
    at, value = [one["reviewed"] for one in known], np.array([one["precision"] for one in known])
    low, high = np.array([one["precision_interval"] for one in known]).reshape(-1, 2).T
    axes.errorbar(
        at, value, yerr=np.maximum([value - low, high - value], 0), fmt="o", ms=5, color=INK, mfc="white", lw=1,
        label="precision, estimated on the way",
    )  # fmt: skip
    axes.axvline(found["budget"], color=_THERE, lw=1)
    axes.set_xlim(0, None)
    axes.set_ylim(0, 1.05)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("share of the examples looked at, the most suspect first (line: the budget)")
    plot.legend(frameon=False, labelcolor=INK, fontsize=8.5, ncols=2, loc="outside lower center")
    return plot


def _errors(record: dict[str, Any]) -> Plot:
    plot, axes = _canvas(2.9)
    names = list(augment.TITLES)
    for at, name in enumerate(reversed(names)):
        errors = record["arms"][name]["error"]
        axes.barh(at, np.mean(errors), color=_FALSE if name == augment.WRONG else _RIGHT, alpha=0.35, height=0.6)
        axes.plot(errors, [at] * len(errors), "o", ms=4, color=INK, alpha=0.7)
    axes.set_yticks(range(len(names)), [augment.TITLES[name] for name in reversed(names)])
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlim(0, None)
    axes.set_xlabel("test error")
    axes.grid(visible=False, axis="y")
    return plot


def _of_share(record: dict[str, Any]) -> list[Figure]:
    apps = ", ".join(f"{app['name']} {app['fps']:g}/s after layer {app['frozen']}" for app in record["plan"]["apps"])
    return [
        Figure(
            "f1-against-budget",
            svg(_f1(record)),
            "Mean event F1 of every plan as measured by running it, and as predicted (hollow), against the budget.",
        ),
        Figure(
            "tree",
            record["tree"]["svg"],
            f"The plan for {record['plan']['budget']:g} core-ms per second: who leaves the shared stem where. {apps}.",
        ),
        Figure(
            "timeline",
            svg(_timeline(record)),
            "That plan on the held-out video. Above: what was in view (grey). Below: what was reported, right (blue) "
            "or false (orange).",
        ),
    ]


def _f1(record: dict[str, Any]) -> Plot:
    plot, axes = _canvas(3.6)
    for sharing, (colour, dashes, label) in STYLES.items():
        rows = [row for row in record["rows"] if row["sharing"] == sharing and "measured" in row]
        budgets = [row["budget"] for row in rows]
        measured, predicted = ([row[kind]["mean_f1"] for row in rows] for kind in ("measured", "predicted"))
        axes.plot(budgets, measured, color=colour, ls=dashes, lw=1.8, marker="o", ms=5, label=label)
        axes.plot(budgets, predicted, "o", ms=5, color=colour, mfc="white", ls="none")
    budgets = sorted({row["budget"] for row in record["rows"]})
    axes.set_xscale("log")
    axes.set_xticks(budgets, [f"{budget:g}" for budget in budgets])
    axes.minorticks_off()
    axes.set_xlim(budgets[0] / 1.15, budgets[-1] * 1.15)
    shown = [row[kind]["mean_f1"] for row in record["rows"] if "measured" in row for kind in ("measured", "predicted")]
    axes.set_ylim(max(0.0, min(shown) - 0.1), 1.0)
    axes.set_xlabel("budget, core-milliseconds per second of video")
    axes.set_ylabel("mean event F1")
    plot.legend(frameon=False, labelcolor=INK, fontsize=8.5, ncols=2, loc="outside lower center")
    return plot


def _timeline(record: dict[str, Any]) -> Plot:
    apps, events = [app["name"] for app in record["plan"]["apps"]], record["events"]
    row = next(row for row in record["rows"] if row["sharing"] == "any" and row["budget"] == record["plan"]["budget"])
    plot, axes = _canvas(0.9 + 0.55 * len(apps))
    for at, app in enumerate(reversed(apps)):
        for start, end in events[app]:
            axes.barh(at + 0.18, end - start, left=start, height=0.3, color=_THERE)
        for start, end in row["measured"]["apps"][app]["reported"]:
            right = any(start <= last and first <= end for first, last in events[app])
            axes.barh(at - 0.18, max(end - start, 0.4), left=start, height=0.3, color=_RIGHT if right else _FALSE)
    axes.set_yticks(range(len(apps)), list(reversed(apps)))
    axes.set_xlim(0, record["video"]["held_out_seconds"])
    axes.set_xlabel("seconds of the held-out video")
    axes.grid(visible=False, axis="y")
    return plot


def _canvas(height: float) -> tuple[Plot, Axes]:
    plot = Plot(figsize=(_WIDTH, height), layout="constrained")
    axes = plot.subplots()
    dress(axes)
    return plot, axes
