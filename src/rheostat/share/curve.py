"""The F1-budget curve as a plot. It needs matplotlib, which comes with `rheostat[train]`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from rheostat.share.plan import Plan

_INK, _GRID = "#1c2733", "#e4e8ec"
_STYLES = {  # colours of Okabe and Ito, told apart without colour by their dashes
    "any": ("#0072b2", "-", "best sharing"),
    "head": ("#d55e00", (0, (6, 2)), "shared up to the head"),
    "max": ("#cc79a7", (0, (3, 2)), "shared up to the deepest point"),
    "none": ("#5b6773", (0, (1, 2)), "nothing shared"),
}


def curve_svg(curves: Mapping[str, Sequence[Plan]]) -> str:
    """Draw F1 against the budget, one line per way of sharing, as an SVG document.

    Args:
        curves: The plans by way of sharing, each at rising budgets; the F1 shown is that of their objective.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "rheostat", "font.size": 10, "svg.fonttype": "none"}):
        figure = Figure(figsize=(8.4, 3.8), layout="constrained")
        axes = figure.subplots()
        objective = next(plan.objective for plans in curves.values() for plan in plans)
        for sharing, plans in curves.items():
            colour, dashes, label = _STYLES[sharing]
            f1 = [plan.min_f1 if plan.objective == "min" else plan.mean_f1 for plan in plans]
            budgets = [plan.budget for plan in plans]
            axes.plot(budgets, f1, color=colour, ls=dashes, marker="o", ms=3.5, lw=1.8, label=label)
            unproven = [plan for plan in plans if not plan.optimal and plan.solver == "exact"]
            axes.vlines(
                [plan.budget for plan in unproven],
                [plan.min_f1 if plan.objective == "min" else plan.mean_f1 for plan in unproven],
                [plan.bound for plan in unproven],
                color=colour,
                lw=1,
            )
        axes.set_ylim(0, 1)
        axes.set_xlabel("budget, compute per second of stream")
        axes.set_ylabel("lowest F1" if objective == "min" else "mean F1")
        axes.grid(color=_GRID)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_INK)
        figure.legend(frameon=False, loc="outside right upper")
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()
