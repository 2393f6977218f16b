"""What the third chapter found, in words and as a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from rheostat.demo import recipes

_EVEN = 1e-9  # of F1: closer is as good
_NAMES = {"any": "best sharing", "head": "head", "max": "max", "none": "none"}


def table(record: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Measured F1 (predicted) by budget and way of sharing; the cost is that of the best sharing."""
    budgets = sorted({row["budget"] for row in record["rows"]})
    cells = []
    for budget in budgets:
        rows = {row["sharing"]: row for row in record["rows"] if row["budget"] == budget}
        cells.append([f"{budget:g}", *(_cell(rows[sharing]) for sharing in _NAMES), _cost(rows["any"])])
    return ["budget", *_NAMES.values(), "cost"], cells


def apps_table(record: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The plan that is shown, app by app: predicted beside measured."""
    row = _of(record, record["plan"]["budget"], "any")
    cells = []
    for name, foretold in row["predicted"]["apps"].items():
        came = row["measured"]["apps"][name]
        cells.append(
            [
                name,
                str(foretold["frozen"]),
                f"{came['fps']:.1f} ({foretold['fps']:g})",
                f"{came['detected']}/{came['events']}, {came['false']} false",
                f"{came['recall']:.2f} ({foretold['recall']:.2f})",
                f"{came['precision']:.2f} ({foretold['precision']:.2f})",
                f"{came['f1']:.2f} ({foretold['f1']:.2f})",
            ]
        )
    return ["app", "shares", "fps", "detected", "recall", "precision", "F1"], cells


def headline(record: dict[str, Any]) -> str:
    """One measured sentence: of the smallest budget that the free plan fits, where sharing matters most."""
    row = min(
        (row for row in record["rows"] if row["sharing"] == "any" and "measured" in row), key=lambda row: row["budget"]
    )
    alone = _of(record, row["budget"], "none")
    own = (
        f"a network for each gets {alone['measured']['mean_f1']:.2f}"
        if "measured" in alone
        else "a network for each does not fit"
    )
    return (
        f"Sharing one network, {len(record['events'])} detectors reach a mean event F1 of "
        f"{row['measured']['mean_f1']:.2f} on a budget of {row['budget']:g} core-ms per second (they used "
        f"{row['measured']['cost']:.1f}); {own}."
    )


def sentences(record: dict[str, Any]) -> list[str]:
    """The findings, wins and losses alike."""
    ran = [row for row in record["rows"] if "measured" in row]
    off = [row["measured"]["mean_f1"] - row["predicted"]["mean_f1"] for row in ran]
    cost = float(np.median([row["measured"]["cost"] / row["predicted"]["cost"] - 1 for row in ran]))
    events = sum(len(found) for found in record["events"].values())
    foretold = (
        f"Measured and predicted mean F1 differ by {np.mean(np.abs(off)):.2f} in the mean and "
        f"{max(map(abs, off)):.2f} at most: predictions are too high in {sum(one < 0 for one in off)} of {len(off)} "
        f"plans. Measured cost is {abs(cost):.0%} {'above' if cost > 0 else 'below'} the predicted one in the median."
    )
    few = (
        f"{events} events in {record['video']['held_out_seconds']:.0f} s are few, and the packages were judged on the "
        "same time: read it as an example, not as a ranking."
    )
    return [_of_sharing(record), foretold, few, _of_recipes(record)]


def _of_sharing(record: dict[str, Any]) -> str:
    """The free plan beside the baselines that fit the same budget."""
    wins, of, refused = 0, 0, []
    for row in record["rows"]:
        best = _of(record, row["budget"], "any")
        if row["sharing"] == "any" or "measured" not in best:
            continue
        if "measured" in row:
            of += 1
            wins += best["measured"]["mean_f1"] >= row["measured"]["mean_f1"] - _EVEN
        else:
            refused.append(f"{_NAMES[row['sharing']]} at {row['budget']:g}")
    tight = f" Besides, these do not fit the budget: {', '.join(refused)}." if refused else ""
    return (
        f"Measured, the plan that is free to share is as good as a baseline or better in {wins} of {of} comparisons "
        f"(none: nothing shared; head, max: everything but the last layers).{tight}"
    )


def _of_recipes(record: dict[str, Any]) -> str:
    tried = {one["name"]: one for one in record["recipes"]}
    plain = tried[recipes.PLAIN]
    told = "; ".join(
        f"{name} {one['accuracy'] - plain['accuracy']:+.3f} of accuracy{_times(one, plain)}"
        for name, one in tried.items()
        if one is not plain
    )
    verdict = (
        f"neither gains {recipes.MORE:.2f}, so heads are trained on every picture"
        if record["recipe"] == recipes.PLAIN
        else f"heads are trained with {record['recipe']}"
    )
    return f"Tried on one classifier, beside training on every picture: {told}: {verdict}."


def _times(one: dict[str, Any], plain: dict[str, Any]) -> str:
    if not one["cpu_seconds"] or not plain["cpu_seconds"]:
        return ""
    return f" for {one['cpu_seconds'] / plain['cpu_seconds']:.1f} x the processor time of training"


def _of(record: dict[str, Any], budget: float, sharing: str) -> dict[str, Any]:
    return next(row for row in record["rows"] if (row["budget"], row["sharing"]) == (budget, sharing))


def _cell(row: dict[str, Any]) -> str:
    if "measured" not in row:
        return "does not fit"
    return f"{row['measured']['mean_f1']:.2f} ({row['predicted']['mean_f1']:.2f})"


def _cost(row: dict[str, Any]) -> str:
    return f"{row['measured']['cost']:.1f} ({row['predicted']['cost']:.1f})" if "measured" in row else ""
