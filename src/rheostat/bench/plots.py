"""The three plots of a comparison, as SVG."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from rheostat.bench.compare import CONTROL, DECAYED, PLAIN, curve_of
from rheostat.figures import INK, dress, svg

_FIXED = {PLAIN: "#5b6773", DECAYED: "#2b7bba", "selective-backprop": "#d1495b", CONTROL: "#e2a03f"}
_FURTHER = ("#3d8c6f", "#7b5ea7", "#00798c", "#8d6a4f")


def plots_of(record: dict[str, Any]) -> dict[str, str]:
    """All three plots of a comparison by name, each an SVG document."""
    return {
        "error-against-backwards": svg(_error_against(record, "backwards", "backwards (examples trained on)")),
        "error-against-seconds": svg(_error_against(record, "cpu_seconds", "processor seconds, evaluation left out")),
        "kept-share": svg(_kept_share(record)),
    }


def _error_against(record: dict[str, Any], axis: str, label: str) -> Figure:
    """Mean test error over seeds as a line, all seeds between the edges of a band."""
    figure, axes = _canvas()
    ends: list[tuple[float, float, str]] = []
    for arm in record["arms"]:
        curve, colour = curve_of(record, arm, axis), _colour(record, arm)
        axes.fill_between(curve.x, curve.error.min(axis=0), curve.error.max(axis=0), color=colour, alpha=0.14, lw=0)
        axes.plot(curve.x, curve.mean, color=colour, lw=2)
        ends.append((curve.x[-1], curve.mean[-1], arm))
    target = curve_of(record, PLAIN, "backwards").mean[-1]
    axes.axhline(target, color=_FIXED[PLAIN], lw=1, ls=(0, (4, 3)))
    axes.set_yscale("log")
    shown = np.concatenate([curve_of(record, arm, axis).error.ravel() for arm in record["arms"]])
    top = max(4 * target, float(np.median(shown)))  # the first epochs would squeeze everything else
    axes.set_ylim(max(float(shown.min()), 1e-5) * 0.9, top)
    axes.set_xlim(0, None)
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_short))
    axes.set_xlabel(label)
    axes.set_title(f"Test error, mean and range of {len(record['seeds'])} seeds", loc="left", color=INK, fontsize=11)
    _label_ends(figure, axes, record, ends)
    return figure


def _kept_share(record: dict[str, Any]) -> Figure:
    """Share of the candidates that were kept, epoch by epoch."""
    figure, axes = _canvas()
    ends: list[tuple[float, float, str]] = []
    for arm, content in record["arms"].items():
        if arm in (PLAIN, DECAYED):
            continue  # they keep everything
        epochs = min(len(run["kept_share"]) for run in content["runs"])
        shares = np.array([run["kept_share"][:epochs] for run in content["runs"]])
        epoch, colour = np.arange(1, epochs + 1), _colour(record, arm)
        axes.fill_between(epoch, shares.min(axis=0), shares.max(axis=0), color=colour, alpha=0.14, lw=0)
        axes.plot(epoch, shares.mean(axis=0), color=colour, lw=2)
        ends.append((float(epochs), float(shares.mean(axis=0)[-1]), arm))
    axes.set_ylim(0, None)
    axes.set_xlim(0, None)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.set_xlabel("epoch of candidates")
    axes.set_title("Share of the candidates that is trained on", loc="left", color=INK, fontsize=11)
    _label_ends(figure, axes, record, ends)
    return figure


def _canvas() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.4, 3.9), layout="constrained")
    axes = figure.subplots()
    dress(axes)
    return figure, axes


def _label_ends(figure: Figure, axes: Axes, record: dict[str, Any], ends: list[tuple[float, float, str]]) -> None:
    """Write each arm's name at the end of its line, pushed apart where two lines end together."""
    figure.draw_without_rendering()
    height = axes.get_window_extent().height
    to_share = axes.transData + axes.transAxes.inverted()
    placed: list[tuple[float, float]] = []
    for x, y, arm in sorted(ends, key=lambda end: end[1]):
        share_x, share_y = to_share.transform((x, y))
        near = [other for at, other in placed if abs(at - share_x) < 0.35]
        share_y = max([share_y, *(other + 15 / height for other in near)])
        placed.append((share_x, share_y))
        right = share_x > 0.75
        axes.annotate(
            arm,
            (share_x, share_y),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            color=_colour(record, arm),
            fontsize=9,
            va="center",
            ha="left",
            annotation_clip=False,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
        ).set_in_layout(right)


def _colour(record: dict[str, Any], arm: str) -> str:
    others = [name for name in record["arms"] if name not in _FIXED]
    return _FIXED.get(arm) or _FURTHER[others.index(arm) % len(_FURTHER)]


def _short(value: float, _: Any) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value / 1e3:g} k" if value >= 1e4 else f"{value:g}"
