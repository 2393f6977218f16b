"""The best choices of all apps on given stems: many multiple-choice knapsacks, solved side by side.

On one stem every app takes one of the choices that the stem carries, and their own costs may not exceed what the stem
leaves of the budget. Apps are added one by one. Per stem a partial plan is kept if no other is both cheaper and better,
and if its bound (its gains, and for the apps to come the best gain at a price per unit of cost) reaches the threshold.
So few remain that hundreds of stems go through numpy together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rheostat.share.scheduler.stems import Floats, Grid, Indices, Levels, Mask, spread

PROBES = 12  # bisections of a price, over three and a half orders of magnitude
STATES = 200_000  # partial plans kept at most; the bound of what is dropped is reported


class Filled(NamedTuple):
    """The best plan on any of the stems tried.

    choice: `[n]` a flat index into `[K, R]` per app; None if no plan reaches the threshold.
    missed: Largest bound among the partial plans dropped for want of memory or time; -inf if there were none.
    """

    choice: Indices | None
    missed: float


def dual_prices(grid: Grid, budget: float, levels: Levels, guess: float) -> tuple[Floats, Floats]:
    """Find for every stem the price at which its bound is lowest, to a few per cent.

    Args:
        grid: The choices.
        budget: Cost per second that may be spent, the stems' cost included.
        levels: `[P, K - 1]` the stems.
        guess: A price near those looked for, > 0.

    Returns:
        Prices `[P]` and the bounds `[P]` at them.
    """
    left = budget - grid.stem_cost(levels)
    options = _Options(grid, levels)
    low, high = np.full(len(levels), guess / 64), np.full(len(levels), guess * 64)
    price, bound = np.full(len(levels), guess), np.full(len(levels), np.inf)
    for _ in range(PROBES):
        middle = np.sqrt(low) * np.sqrt(high)
        gain, cost = options.best(middle)
        found = middle * left + gain
        price, bound = np.where(found < bound, middle, price), np.minimum(found, bound)
        low, high = np.where(cost > left, middle, low), np.where(cost > left, high, middle)
    return price, bound


def round_down(grid: Grid, budget: float, levels: Levels, price: Floats) -> Indices | None:
    """Take a feasible plan from rising prices, then raise single apps while the budget lasts: a start for `fill`.

    Returns:
        `[n]` the best choices found on any of the stems, or None if none fits the budget.
    """
    left = budget - grid.stem_cost(levels)
    n = grid.value.shape[0]
    value, own_cost = grid.value.reshape(n, -1), grid.own_cost.ravel()
    best, best_value = None, -np.inf
    for factor in (0.8, 1.0, 1.05, 1.1, 1.2, 1.35, 1.6, 2.0, 3.0, 6.0, 20.0, 400.0):
        choices = _Options(grid, levels).choices(factor * price)
        fits = own_cost[choices].sum(axis=1) <= left
        values = np.where(fits, value[np.arange(n), choices].sum(axis=1), -np.inf)
        at = int(values.argmax())
        if values[at] > best_value:
            best, best_value = (choices[at], at), values[at]
    if best is None:
        return None
    choice, stem = best
    carried = grid.offered(levels[stem : stem + 1]).reshape(-1)
    for _ in range(4 * n):
        spare = left[stem] - own_cost[choice].sum()
        more = value - value[np.arange(n), choice][:, None]
        fits = carried & (own_cost - own_cost[choice][:, None] <= spare)
        at = int(np.where(fits, more, -np.inf).argmax())
        app, option = divmod(at, own_cost.size)
        if not more[app, option] > 0:
            break
        choice[app] = option
    return choice


def fill(
    grid: Grid, budget: float, levels: Levels, price: Floats, threshold: float, over: Callable[[], bool]
) -> Filled:
    """Find the best plan of value `threshold` or more on any of the stems.

    Args:
        grid: The choices of `n` apps.
        budget: Cost per second that may be spent, the stems' cost included.
        levels: `[P, K - 1]` the stems; each carries something for every app.
        price: `[P]` price per unit of cost, >= 0. Any gives the same plan; the one of `dual_prices` gives it soonest.
        threshold: Plans below it are not looked for.
        over: Asked before every app; if true, the search ends without a plan.
    """
    n = grid.value.shape[0]
    value, own_cost = grid.value.reshape(n, -1), grid.own_cost.ravel()
    left = budget - grid.stem_cost(levels)
    options = _Options(grid, levels)
    gain, _ = options.best(price)
    bound = price * left + gain
    worth = [options.within(app, price, bound - threshold) for app in range(n)]
    cheapest = np.stack([options.cheapest(app) for app in range(n)])
    rest = cheapest.sum(axis=0)
    stem = np.flatnonzero((bound >= threshold) & (rest <= left))
    states = _States(stem, np.zeros(stem.size), np.zeros(stem.size), bound[stem])
    trail: list[tuple[int, Indices, Indices]] = []
    missed = -np.inf
    for app in sorted(range(n), key=lambda app: worth[app][0].size):  # what hardly branches comes first
        if over() and states.bound.size:
            return Filled(None, max(missed, float(states.bound.max())))
        rest = rest - cheapest[app]
        of_stem, option, regret = worth[app]
        first = np.searchsorted(of_stem, np.arange(len(levels) + 1))
        parent, place = spread(np.diff(first)[states.stem])
        at = first[states.stem[parent]] + place
        at_bound = states.bound[parent] - regret[at]
        cost = states.cost[parent] + own_cost[option[at]]
        stem = states.stem[parent]
        keep = np.flatnonzero((at_bound >= threshold) & (cost + rest[stem] <= left[stem]))
        parent, at = parent[keep], at[keep]
        gained = states.value[parent] + value[app, option[at]]
        states = _States(stem[keep], cost[keep], gained, at_bound[keep])
        keep = undominated(states.stem, states.cost, states.value)
        if keep.size > STATES:
            order = np.argsort(-states.bound[keep], kind="stable")
            missed = max(missed, float(states.bound[keep[order[STATES]]]))
            keep = keep[np.sort(order[:STATES])]
        states = states.take(keep)
        trail.append((app, parent[keep], option[at[keep]]))
    if not states.value.size or states.value.max() < threshold:
        return Filled(None, missed)
    choice = np.empty(n, np.intp)
    at = int(states.value.argmax())
    for app, parent, option in reversed(trail):
        choice[app], at = option[at], parent[at]
    return Filled(choice, missed)


class _States(NamedTuple):
    """Partial plans: their stem, what they cost and gain so far, and the bound on what they can become."""

    stem: Indices
    cost: Floats
    value: Floats
    bound: Floats

    def take(self, which: Indices) -> _States:
        return _States(self.stem[which], self.cost[which], self.value[which], self.bound[which])


class _Options:
    """The choices that stems carry, app by app: a table `[P, K R]` each time, never one for all apps."""

    def __init__(self, grid: Grid, levels: Levels) -> None:
        self._value = grid.value.reshape(grid.value.shape[0], -1)
        self._cost = grid.own_cost.ravel()
        self._carried: Mask = grid.offered(levels).reshape(len(levels), -1)

    def _gain(self, app: int, price: Floats) -> Floats:
        return np.where(self._carried, self._value[app] - price[:, None] * self._cost, -np.inf)

    def best(self, price: Floats) -> tuple[Floats, Floats]:
        """`[P]` sum over apps of the best gain at the price, and the cost of what gives it."""
        total, cost = np.zeros(price.size), np.zeros(price.size)
        for app in range(len(self._value)):
            gain = self._gain(app, price)
            at = gain.argmax(axis=1)
            total += gain[np.arange(at.size), at]
            cost += self._cost[at]
        return total, cost

    def choices(self, price: Floats) -> Indices:
        """`[P, n]` what every app takes at the price."""
        return np.stack([self._gain(app, price).argmax(axis=1) for app in range(len(self._value))], axis=1)

    def within(self, app: int, price: Floats, slack: Floats) -> tuple[Indices, Indices, Floats]:
        """Choices whose regret is within the slack `[P]`: stem (rising), choice, regret."""
        gain = self._gain(app, price)
        best = gain.max(axis=1, keepdims=True)
        stem, option = np.nonzero((gain >= best - slack[:, None]) & np.isfinite(gain))
        return stem, option, (best - gain)[stem, option]

    def cheapest(self, app: int) -> Floats:
        """`[P]` least own cost of the app on each stem; inf if the stem carries nothing for it."""
        on_offer = self._carried & np.isfinite(self._value[app])
        return np.where(on_offer, self._cost, np.inf).min(axis=1)


def undominated(stem: Indices, cost: Floats, value: Floats) -> Indices:
    """Indices of the partial plans that no other of the same stem beats in cost and value, ordered by stem and cost."""
    order = np.lexsort((-value, cost, stem))
    _, rank = np.unique(value, return_inverse=True)  # ranks are exact where offsets to floats are not
    key = stem[order] * np.int64(order.size + 1) + rank[order] + 1
    before = np.maximum.accumulate(np.concatenate([[np.int64(0)], key[:-1]]))
    return order[key > np.maximum(before, stem[order] * np.int64(order.size + 1))]
