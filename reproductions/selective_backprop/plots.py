"""The plots: a panel per workload, a colour per arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

from reproductions.selective_backprop.views import (
    Record,
    bar_of,
    clean_of,
    cost,
    curve,
    data_of,
    end_of,
    factors_of,
    lengths_of,
    measured_ratio,
    reached,
    runs_of,
)
from reproductions.selective_backprop.workloads import CONTROL, DECAYED, KATH18, PLAIN, SELECTIVE, THESIS, WORKLOADS
from rheostat.figures import INK, dress

_COLOURS = {
    PLAIN: "#5b6773",
    SELECTIVE: "#d1495b",
    CONTROL: "#e2a03f",
    KATH18: "#2b7bba",
    "kath18-biased": "#7b5ea7",
    "kath18-uniform": "#56b4e9",
}
_OTHER = "#3d8c6f"
_MAIN = (PLAIN, SELECTIVE, CONTROL, KATH18)
Point = tuple[float, float, str]
"""Where the dot of an arm is, and its name."""
_NAME_WIDTH, _NAME_HEIGHT = 0.3, 0.045  # of the axes
_SHOWN = 4.0  # times the best error: the first epochs would squeeze everything else


def kept_share(record: Record) -> Figure:
    """Kept share over the epochs of candidates."""
    names = data_of(record, THESIS)
    figure, panels = _canvas([f"Kept share, {_label(name)}" for name in names])
    for axes, name in zip(panels, names, strict=True):
        for arm in (SELECTIVE, CONTROL):
            for number, row in enumerate(runs_of(record, name, arm, THESIS)):
                epochs = range(1, len(row["kept_share"]) + 1)
                axes.plot(epochs, row["kept_share"], color=_COLOURS[arm], lw=1.5, label=None if number else arm)
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel("epochs of candidates")
    _legend(figure, panels[0])
    return figure


def error_against_backwards(record: Record) -> Figure:
    """Test error against iterations, counted in examples trained on."""
    return _errors(record, "backwards", "backwards (examples trained on)")


def error_against_seconds(record: Record) -> Figure:
    """Test error against processor time."""
    return _errors(record, "cpu_seconds", "processor seconds, evaluation left out")


def forms_of_kath18(record: Record) -> Figure:
    """Final error against time with the learning rate decayed to zero: the plain curve, and the forms of Kath18."""
    arms = (SELECTIVE, CONTROL, KATH18, "kath18-biased", "kath18-uniform")
    return _ends(record, clean_of(record), arms)


def all_arms(record: Record) -> Figure:
    """The same with all arms of the main workload."""
    main = record["setting"]["scale"]["main"]
    cells = [row["cell"] for row in record["rows"] if row["cell"]["data"] == main and row["cell"]["course"] == DECAYED]
    arms = list(dict.fromkeys(cell["arm"] for cell in cells if not cell["noise"] and cell["arm"] != PLAIN))
    return _ends(record, [main], arms)


def speed_up_by_ratio(record: Record) -> Figure:
    """Speed-up to an error against the cost of a backward in forwards; a cross marks what was measured."""
    names = [name for name in data_of(record, THESIS) if runs_of(record, name, SELECTIVE, THESIS)]
    figure, panels = _canvas([f"Speed-up, {_label(name)}" for name in names])
    ratios = np.linspace(0.5, 10, 39)
    for axes, name in zip(panels, names, strict=True):
        plain_rows = runs_of(record, name, PLAIN, THESIS)
        for arm in (SELECTIVE, CONTROL, KATH18):
            rows = runs_of(record, name, arm, THESIS)
            for factor, dash in ((1.0, "-"), (1.2, "--")):
                if factor not in factors_of(record, name):
                    continue
                bar = bar_of(record, name, factor)
                plain, ours = reached(plain_rows, bar), reached(rows, bar) if rows else None
                if plain is None or ours is None:
                    continue
                gains = [
                    cost(plain.backwards, plain.forwards, r) / cost(ours.backwards, ours.forwards, r) for r in ratios
                ]
                axes.plot(ratios, gains, dash, color=_COLOURS[arm], lw=1.6, label=f"{arm}, to {factor:g} x plain's")
                ratio = measured_ratio(rows)
                if ratio is not None:
                    axes.plot(ratio, plain.seconds / ours.seconds, "x", color=_COLOURS[arm], ms=7)
        axes.axhline(1, color=INK, lw=1)
        if len(axes.lines) == 1:
            axes.text(0.5, 0.5, "plain's errors are never reached", transform=axes.transAxes, ha="center", fontsize=9)
        axes.set_xlim(0, ratios[-1])
        axes.set_ylim(0, None)
        axes.set_xlabel("cost of a backward, in forwards")
    _legend(figure, panels[0])
    return figure


def wrong_labels(record: Record) -> Figure:
    """Final error of each arm against the share of wrong labels among what it kept."""
    scale = record["setting"]["scale"]
    name, share = scale["noisy"], scale["noise_share"]
    rates = [rate for rate in scale["rates"] if runs_of(record, name, PLAIN, DECAYED, share=share, noise=rate)]
    figure, panels = _canvas([f"{rate:.0%} wrong labels, {_label(name)}" for rate in rates], height=4.4)
    for axes, rate in zip(panels, rates, strict=True):
        cells = [row["cell"] for row in record["rows"] if row["cell"]["noise"] == rate]
        points: list[Point] = []
        for arm in dict.fromkeys(cell["arm"] for cell in cells):
            rows = runs_of(record, name, arm, DECAYED, share=share, noise=rate)
            if rows:
                points.append((float(np.mean([row["corrupted"] for row in rows])), end_of(rows).error, arm))
        axes.set_yscale("log")
        _mark(axes, points)
        axes.axvline(rate, color=INK, lw=1, ls=(0, (4, 3)))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("share of wrong labels among the kept")
        _error_axis(axes)
    return figure


def _errors(record: Record, axis: str, label: str) -> Figure:
    names = data_of(record, THESIS)
    figure, panels = _canvas([f"Test error, {_label(name)}" for name in names])
    for axes, name in zip(panels, names, strict=True):
        best = 1.0
        for arm in _MAIN:
            rows = runs_of(record, name, arm, THESIS)
            if not rows:
                continue
            found = curve(rows, axis)
            low, high = found.error.min(axis=0), found.error.max(axis=0)
            axes.fill_between(found.x, low, high, color=_COLOURS[arm], alpha=0.14, lw=0)
            axes.plot(found.x, found.mean, color=_COLOURS[arm], lw=1.8, label=arm)
            best = min(best, float(low.min()))
        lengths = lengths_of(record, name)
        if lengths.error:
            along = lengths.backwards if axis == "backwards" else lengths.seconds
            axes.plot(along, lengths.error, "o--", color=INK, ms=4, lw=1.2, label="plain, decayed to zero")
        if runs_of(record, name, PLAIN, THESIS):
            axes.axhline(bar_of(record, name, 1.0), color=_COLOURS[PLAIN], lw=1, ls=(0, (4, 3)))
        axes.set_yscale("log")
        axes.set_ylim(0.85 * min([best, *lengths.error]), min(_SHOWN * best, 1.0))
        axes.set_xlim(0, None)
        _error_axis(axes)
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value / 1e3:g} k" if value >= 1e4 else f"{value:g}")
        )
        axes.set_xlabel(label)
    _legend(figure, panels[0])
    return figure


def _ends(record: Record, names: Sequence[str], arms: Sequence[str]) -> Figure:
    figure, panels = _canvas([f"Final error, {_label(name)}" for name in names], height=4.4)
    for axes, name in zip(panels, names, strict=True):
        lengths = lengths_of(record, name)
        axes.plot(lengths.seconds, lengths.error, "o-", color=_COLOURS[PLAIN], ms=5, lw=1.6)
        points: list[Point] = []
        if lengths.error:
            points.append((lengths.seconds[-1], lengths.error[-1], PLAIN))
        for arm in arms:
            rows = runs_of(record, name, arm, DECAYED)
            if rows:
                end = end_of(rows)
                points.append((end.seconds, end.error, arm))
        axes.set_yscale("log")
        _mark(axes, points)
        _error_axis(axes)
        axes.set_xlabel("processor seconds, learning rate decayed to zero")
    return figure


def _mark(axes: Axes, points: Sequence[Point]) -> None:
    """A dot and a name for each point; names that would lie on one another are pushed up."""
    for x, y, arm in points:
        axes.plot(x, y, "o", color=_COLOURS.get(arm, _OTHER), ms=6)
    axes.margins(x=0.25)
    to_share = axes.transData + axes.transAxes.inverted()
    placed: list[tuple[float, float]] = []
    for x, y, arm in sorted(points, key=lambda point: point[1]):
        across, up = to_share.transform((x, y))
        for other_across, other_up in placed:
            if abs(other_across - across) < _NAME_WIDTH and up < other_up + _NAME_HEIGHT:
                up = max(up, other_up + _NAME_HEIGHT)
        placed.append((across, up))
        axes.annotate(
            arm,
            (across, up),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            fontsize=8,
            va="center",
            color=_COLOURS.get(arm, _OTHER),
            annotation_clip=False,
        ).set_in_layout(False)


def _error_axis(axes: Axes) -> None:
    if axes.get_yscale() == "log":
        axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 1.5, 2, 3, 5, 7)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))


def _canvas(titles: Sequence[str], height: float = 3.9) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(max(7.4, 4.6 * len(titles)), height), layout="constrained")
    panels = [figure.add_subplot(1, max(len(titles), 1), at + 1) for at in range(len(titles))]
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, loc="left", color=INK, fontsize=10)
        dress(axes)
    return figure, panels


def _legend(figure: Figure, axes: Axes) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=9)


def _label(data: str) -> str:
    return WORKLOADS[data].label


PLOTS: dict[str, tuple[str, Callable[[Record], Figure]]] = {
    "fig5": (THESIS, kept_share),
    "fig6": (THESIS, error_against_backwards),
    "fig7": (THESIS, error_against_seconds),
    "fig8": (DECAYED, forms_of_kath18),
    "fig9": (THESIS, speed_up_by_ratio),
    "rivals": (DECAYED, all_arms),
    "noise": ("noise", wrong_labels),
}
"""By name: the course whose runs a plot needs (``noise``: runs with wrong labels), and what draws it."""
