"""What a workload is worth at every price of compute: its plans worth knowing, found as they are needed.

A plan of a camera is *efficient* if no other is both cheaper and worth more. A fleet needs many of them, near the price
that its nodes pay. At a price `lam` per unit of cost the plans are ranked by ``value - lam cost``, and the search over
stems (`rheostat.share.scheduler.stems`) lists every stem that may hold a plan within some slack of the best; on these
few all plans within the slack are built app by app. So of each price asked for two things are certain:

* `upper`: no plan has ``value - lam cost`` above it,
* `known`: every plan with more than that is among the points, or a point is as cheap and worth as much.

Prices are those of a ladder with steps of 10 %, so that nodes with nearly the same price ask the same question. Where
F1 rises ever faster with the budget no price leads to a plan, and `best_within` asks the scheduler for one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rheostat.errors import InfeasibleError
from rheostat.share.plan import Workload
from rheostat.share.scheduler.choices import choices_of
from rheostat.share.scheduler.exact import NOTHING, SLACK, Clock, best_sum, cheapest
from rheostat.share.scheduler.knapsack import undominated
from rheostat.share.scheduler.stems import Floats, Grid, Levels, PricedGrid
from rheostat.share.tree import with_picture_layer

STEP = 1.1  # from one rung of the ladder of prices to the next
MOST_STEMS = 4000  # that are looked at for one price; beyond, less slack is granted
MOST_STATES = 400_000  # partial plans, likewise
PRICES, NEAR = 12, 0.005  # of a sketch: how many prices, and how near to the best plan there, as a share of the value
PROBES, FINE = 4, 0.005  # of a sketch: budgets asked for at most, and the share of the whole that a gap may be
WIDTH = 16  # stems of the first guess
EXACT = 1e-9  # values closer than this are not told apart


class Line(NamedTuple):
    """What is known at one price: see the module. `known` is at most `upper`; the nearer to it, the less is known."""

    upper: float
    known: float


class Points(NamedTuple):
    """Efficient plans, `cost` [P] rising and with it `value` [P]."""

    cost: Floats
    value: Floats


def price_of(rung: int) -> float:
    """Price at a rung of the ladder, in value per unit of cost."""
    return STEP**rung


def rung_of(price: float) -> int:
    """The rung nearest to a price above 0."""
    return round(float(np.log(price) / np.log(STEP)))


def efficient(cost: Floats, value: Floats) -> Points:
    """Leave out every plan that another one beats in cost and value."""
    order = np.lexsort((-value, cost))
    cost, value = cost[order], value[order]
    keep = value > np.concatenate([[-np.inf], np.maximum.accumulate(value)[:-1]]) + EXACT
    return Points(cost[keep], value[keep])


class Frontier:
    """The efficient plans of one workload, as far as they are known.

    Attributes:
        points: By cost. Value is the sum over apps of weight times F1; the cheapest plan and the cheapest of those that
            give every app its best are always there.
        weight: Sum over apps of their weights: `value / weight` is the mean F1.
    """

    def __init__(self, workload: Workload) -> None:
        task = with_picture_layer(workload) if workload.picture_cost else workload
        choices = choices_of(task)
        weights = np.array([app.weight for app in workload.apps])
        worth = np.where(np.isfinite(choices.f1), weights[:, None, None] * np.maximum(choices.f1, 0.0), -np.inf)
        self.grid = choices.grid(np.asarray(task.layer_cost), worth)
        self.weight = float(weights.sum())
        self._lines: dict[int, Line] = {}
        self._asked: dict[int, float] = {}  # the most slack that was asked for at a rung
        first = cheapest(self.grid)
        assert first is not None  # every branch point has every rate
        best = best_sum(self.grid, 2.0 * self._cost_of_everything(), Clock()).choice
        assert best is not None
        ends = np.array([[self.grid.cost_of(end), self.grid.value_of(end)] for end in (first, best)])
        self.points = efficient(*ends.T)

    @property
    def least(self) -> float:
        """Cost of the cheapest plan."""
        return float(self.points.cost[0])

    @property
    def highest(self) -> float:
        """Value of the best plan that there is."""
        return float(self.points.value[-1])

    def prices(self, number: int) -> list[int]:
        """About so many rungs at equal ratios, from where the best plan nearly pays to where only the cheapest does."""
        span = max(float(self.points.cost[-1]) - self.least, 1e-9)
        middle = max(self.highest, 1e-9) / span
        return sorted({rung_of(middle * factor) for factor in np.geomspace(1e-3, 30.0, number)})

    def known_at(self, rung: int, slack: float = 0.0) -> Line:
        """Find all plans within `slack` (in value) of the best one at a price, or within less if that is too much."""
        if slack > self._asked.get(rung, -1.0):
            self._asked[rung] = slack
            self._lines[rung] = self._found_at(price_of(rung), max(slack, EXACT))
        return self._lines[rung]

    def best_within(self, budget: float) -> tuple[float, float, float]:
        """Ask the scheduler for the best plan within a budget: its cost and value, and a bound on the value.

        Raises:
            InfeasibleError: `budget` is below `least`.
        """
        if budget < self.least * (1 - SLACK):
            raise InfeasibleError(f"budget is {budget:g}: must be at least {self.least:g}", least=self.least)
        found = best_sum(self.grid, budget, Clock())
        assert found.choice is not None
        cost = self.grid.cost_of(found.choice)
        self._add([(cost, found.value)])
        return cost, found.value, found.bound

    def sketch(self) -> Points:
        """Find enough points to place the camera by: near `PRICES` prices, and in the widest of the gaps between."""
        for rung in self.prices(PRICES):
            self.known_at(rung, NEAR * self.highest)
        for _ in range(PROBES):
            cost, value = self.points
            area = np.diff(cost) * np.diff(value)
            if not area.size or area.max() <= FINE * (cost[-1] - cost[0]) * self.highest:
                break
            at = int(area.argmax())
            middle = (cost[at] + cost[at + 1]) / 2
            if self.best_within(middle)[0] == cost[at]:
                break  # the gap is a real one, and so are most others
        return self.points

    def _found_at(self, price: float, slack: float) -> Line:
        priced = PricedGrid(self.grid, 0.0, price)
        start = priced.prefix(NOTHING)
        met = [priced.choices(stem) for stem in priced.beam(start, WIDTH).levels]
        self._add([(self.grid.cost_of(choice), self.grid.value_of(choice)) for choice in met])
        best = float((self.points.value - price * self.points.cost).max())
        while slack >= EXACT:
            stems = priced.narrow(start, best - slack, MOST_STEMS)
            found = None if stems is None else plans_near(self.grid, stems.levels, price, best - slack)
            if found is not None:
                self._add(zip(*found, strict=True))
                upper = float((self.points.value - price * self.points.cost).max())
                return Line(upper + EXACT, best - slack)
            slack /= 4
        bound = max(best, float(start.bound[0]))
        return Line(bound, bound)  # hopelessly many ties: nothing is known but the bound

    def _add(self, found: Iterable[tuple[float, float]]) -> None:
        more = np.array(list(found), dtype=float).reshape(-1, 2)
        cost, value = self.points
        self.points = efficient(np.append(cost, more[:, 0]), np.append(value, more[:, 1]))

    def _cost_of_everything(self) -> float:
        return max(float(self.grid.own_cost.max() * len(self.grid.value)), 1.0)


def plans_near(grid: Grid, levels: Levels, price: float, threshold: float) -> Points | None:
    """Build every efficient plan on the stems whose ``value - price cost`` reaches the threshold.

    Args:
        grid: The choices of `n` apps.
        levels: `[P, K - 1]` stems.
        price: Per unit of cost, >= 0.
        threshold: In value.

    Returns:
        The plans; None if there are too many partial ones on the way.
    """
    value = grid.value.reshape(len(grid.value), -1)
    own_cost = grid.own_cost.ravel()
    cost = grid.stem_cost(levels)
    carried = grid.offered(levels).reshape(len(levels), -1)
    gains = [np.where(carried, row - price * own_cost, -np.inf) for row in value]
    best = np.stack([gain.max(axis=1) for gain in gains])
    room = best.sum(axis=0) - price * cost - threshold  # regret that a plan on the stem may have
    stem = np.flatnonzero(room >= 0)
    cost, room, worth = cost[stem], room[stem], np.zeros(stem.size)
    for gain, highest, row in zip(gains, best, value, strict=True):
        regret = highest[:, None] - gain
        fits = regret[stem] <= room[:, None]
        if fits.sum() > MOST_STATES:
            return None
        parent, option = np.nonzero(fits)
        room = room[parent] - regret[stem[parent], option]
        cost, worth, stem = cost[parent] + own_cost[option], worth[parent] + row[option], stem[parent]
        keep = undominated(stem, cost, worth)
        stem, cost, worth, room = stem[keep], cost[keep], worth[keep], room[keep]
    return efficient(cost, worth)
