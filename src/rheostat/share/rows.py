"""What a picture of a plan says, line by line, whatever it is drawn with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from rheostat.share.plan import Plan
from rheostat.share.tree import Branch, Segment

MOST_ROWS = 60  # beyond, the apps of the fullest branch points are drawn as one


@dataclass(frozen=True)
class Row:
    """An app, or several that leave the stem at one branch point; what differs between them as (lowest, highest)."""

    name: str
    fps: tuple[float, float]
    votes: int | None
    f1: tuple[float, float]
    mean_f1: float
    cost: float


def rows_of(branches: Sequence[Branch]) -> dict[int, list[Row]]:
    """The rows at each branch point: one per app, but where they are too many in all, one for the fullest points."""
    rows = {branch.frozen: [_row(branch, [at]) for at in range(len(branch.apps))] for branch in branches}
    for branch in sorted(branches, key=lambda branch: -len(branch.apps)):
        if sum(map(len, rows.values())) > MOST_ROWS:
            rows[branch.frozen] = [_row(branch, range(len(branch.apps)))]
    return rows


def _row(branch: Branch, chosen: Sequence[int]) -> Row:
    apps = [branch.apps[at] for at in chosen]
    rates, f1 = [app.fps for app in apps], [app.f1 for app in apps]
    alone = len(apps) == 1
    return Row(
        name=apps[0].name if alone else f"{len(apps)} apps",
        fps=(min(rates), max(rates)),
        votes=apps[0].votes if alone else None,
        f1=(min(f1), max(f1)),
        mean_f1=sum(f1) / len(f1),
        cost=sum(branch.segments[at].cost for at in chosen),
    )


def columns_of(rows: Iterable[Row]) -> tuple[str, str, str, str]:
    """Names of the columns that `cells_of` fills; no name for votes where no row has any."""
    return "fps", "votes" if any(row.votes is not None for row in rows) else "", "F1", "cost"


def cells_of(row: Row) -> tuple[str, str, str, str]:
    """What is said of a row: rate, votes, F1, cost."""
    votes = "" if row.votes is None else str(row.votes)
    return _span(row.fps, "g"), votes, _span(row.f1, ".3f" if row.f1[0] == row.f1[1] else ".2f"), amount(row.cost)


def _span(ends: tuple[float, float], form: str) -> str:
    low, high = (format(end, form) for end in ends)
    return low if low == high else f"{low}-{high}"


def amount(cost: float) -> str:
    """A cost as it is shown."""
    return f"{cost:,.1f}" if cost == 0 or 1 <= cost < 1e6 else f"{cost:.2g}"


def users(segment: Segment) -> str:
    """Whom a segment of the stem serves."""
    return f"stem of {len(segment.apps)} apps" if segment.shared else f"stem of {segment.apps[0]} alone"


def headline(plan: Plan) -> str:
    """How good a plan is, and how good one can be."""
    apps = "1 app" if len(plan.apps) == 1 else f"{len(plan.apps):,} apps"
    best = " (optimal)" if plan.optimal else f" (at best {plan.bound:.3f})"
    mean, lowest = ("", best) if plan.objective == "min" else (best, "")
    return f"{apps}: mean F1 {plan.mean_f1:.3f}{mean}, lowest {plan.min_f1:.3f}{lowest}"


def spending(plan: Plan) -> str:
    """What a plan costs of what it may."""
    return f"cost {amount(plan.cost)} of {amount(plan.budget)}"


def short(text: str, width: int, ellipsis: str) -> str:
    """Text of exactly `width` columns; what is too long ends in an ellipsis."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(set_cell_size(text, width - len(ellipsis)) + ellipsis, width)


def told(row: Row) -> str:
    """A row in a sentence, its name in full."""
    fps, votes, f1, cost = cells_of(row)
    return f"{row.name}: {fps} fps, {f'{votes} votes, ' if votes else ''}F1 {f1}, cost {cost}"
