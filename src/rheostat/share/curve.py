"""The F1-budget curve as a plot. It needs matplotlib, which comes with `rheostat[train]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rheostat.share.plan import Plan

STYLES = {  # colours of Okabe and Ito, told apart without colour by their dashes
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
    from matplotlib.figure import Figure

    from rheostat.figures import dress, svg

    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    axes = figure.subplots()
    dress(axes)
    for sharing, plans in curves.items():
        colour, dashes, label = STYLES[sharing]
        budgets = [plan.budget for plan in plans]
        axes.plot(
            budgets, [_asked(plan) for plan in plans], color=colour, ls=dashes, marker="o", ms=3.5, lw=1.8, label=label
        )
        for plan in plans:
            if plan.solver == "exact" and not plan.optimal:
                axes.vlines(plan.budget, _asked(plan), plan.bound, color=colour, lw=1)
    objective = next(plan.objective for plans in curves.values() for plan in plans)
    axes.set_ylim(0, 1)
    axes.set_xlabel("budget, compute per second of stream")
    axes.set_ylabel("lowest F1" if objective == "min" else "mean F1")
    figure.legend(frameon=False, loc="outside right upper")
    return svg(figure)


def _asked(plan: Plan) -> float:
    """The F1 that the objective is about."""
    return plan.min_f1 if plan.objective == "min" else plan.mean_f1
