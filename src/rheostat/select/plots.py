"""What selection chose over time, and what that saved, drawn from the records of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rheostat.figures import INK, dress, svg

_SOURCES = {"off": "#c9d1d9", "training": "#d1495b", "forward": "#2b7bba", "reuse 1": "#3d8c6f", "reuse 3": "#7b5ea7"}
_FURTHER = "#8d6a4f"


def sources_over_time(epochs: Sequence[Mapping[str, Any]]) -> str:
    """Where scores came from, epoch by epoch, above the kept share, the break-even and the speed-ups.

    Args:
        epochs: Records of a run, one an epoch: `modes` (candidates by source since the start of the run), `kept_share`,
            and `selection` with `break_even`, `predicted_speedup` and `actual_speedup`.

    Returns:
        An SVG document.
    """
    return svg(_figure(epochs))


def _figure(epochs: Sequence[Mapping[str, Any]]) -> Figure:
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    at = np.arange(1, len(epochs) + 1)
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch.get("modes", {})))
    candidates = np.maximum(1, np.diff([sum(epoch.get("modes", {}).values()) for epoch in epochs], prepend=0))
    base = np.zeros(len(epochs))
    for name in names:
        share = np.diff([epoch.get("modes", {}).get(name, 0) for epoch in epochs], prepend=0) / candidates
        above.bar(at, share, bottom=base, color=_SOURCES.get(name, _FURTHER), label=name, width=0.9)
        base += share
    above.set_ylabel("candidates")
    above.set_yticks([0, 1])
    above.set_title("scores from", color=INK, fontsize=9, loc="left")
    above.legend(
        frameon=False, labelcolor=INK, fontsize=8, ncols=len(names), loc="lower right", bbox_to_anchor=(1, 0.97)
    )

    speeds = below.twinx()
    for axes, name, label, colour, style in (
        (below, "kept_share", "kept share", "#5b6773", "-"),
        (below, "break_even", "break-even", "#e2a03f", "-"),
        (speeds, "predicted_speedup", "speed-up, predicted", "#d1495b", ":"),
        (speeds, "actual_speedup", "speed-up, actual", "#d1495b", "-"),
    ):
        values = [epoch.get("selection", {}).get(name, epoch.get(name)) for epoch in epochs]
        shown = [np.nan if value is None else value for value in values]
        axes.plot(at, shown, style, marker="o", ms=3, color=colour, label=label)
    below.set_ylabel("share of the candidates")
    below.set_ylim(0, 1.05)
    below.set_xlabel("epoch")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    speeds.set_ylabel("speed-up", color="#d1495b")
    speeds.set_ylim(bottom=0)
    for axes in (above, below):
        dress(axes)
    for side in speeds.spines.values():
        side.set_visible(False)
    lines = [*below.get_lines(), *speeds.get_lines()]
    labels = [str(line.get_label()) for line in lines]
    figure.legend(lines, labels, frameon=False, labelcolor=INK, fontsize=8, ncols=4, loc="outside lower center")
    return figure
