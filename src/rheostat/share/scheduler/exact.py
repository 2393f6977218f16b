"""Plans of the largest sum, or of the largest minimum, with a proof.

Both are one search over stems (`stems`), asked differently:

* the sum of values: the stems are searched at the price per unit of cost at which the bound is lowest, and the choices
  on those that remain are multiple-choice knapsacks (`knapsack`). A beam gives a first good plan, hence the threshold.
* the minimum: for a floor `t`, only choices worth `t` or more are on offer, and what is asked is whether the cheapest
  plan fits. With values of zero and a price of one the bound of a stem *is* the budget that is left over: there is no
  knapsack to solve. The highest such `t` is found by bisection over the values that occur.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from rheostat.share.scheduler.knapsack import dual_prices, fill, round_down
from rheostat.share.scheduler.stems import CELLS, HOPELESS, Floats, Grid, Indices, Levels, Prefixes, PricedGrid

TOLERANCE = 5e-8  # what a better plan must be better by to be looked for; less, and ties are enumerated
SAME = 1e-9  # plans closer than this are not told apart
SLACK = 1e-11  # share of the budget that sums of costs may be off by rounding
PROBES = 11  # bisections of the price, over nine orders of magnitude
WIDTH = 16  # stems that the beam keeps
REPRICED = 2  # segments decided at most when a prefix gets a price of its own
FEW_CELLS = 60_000  # prefixes times apps that one price may leave
FEW_STEMS = 100  # stems that the price of an earlier plan may leave; else a better price is looked for
FIRST_LOOK = 16  # part of the way from bound to best plan where better plans are looked for first
BATCH = 4  # stems filled together at first; four times as many each time

NOTHING: Levels = np.zeros(0, np.int16)  # the prefix of a stem of which no segment is decided


class Clock:
    """Says when the time is over.

    Args:
        seconds: Time that may pass; None = no limit.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._began = time.perf_counter()
        self._limit = np.inf if seconds is None else seconds

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.perf_counter() - self._began

    def over(self) -> bool:
        """Whether the limit has passed."""
        return self.seconds >= self._limit


@dataclass
class Found:
    """The best plan so far.

    choice: `[n]` flat indices into `[K, R]`; None if there is no plan (yet).
    value: What the plan is worth; -inf without one.
    bound: What no plan exceeds.
    """

    choice: Indices | None = None
    value: float = -np.inf
    bound: float = np.inf

    @property
    def proven(self) -> bool:
        """Whether no plan is better by more than `TOLERANCE`."""
        return self.bound - self.value <= TOLERANCE + SAME

    def offer(self, choice: Indices, value: float) -> None:
        """Take a plan if it is better."""
        if value > self.value:
            self.choice, self.value = choice, value


@dataclass
class _SumSearch:
    """One search for the largest sum of values; `found` grows while it goes on."""

    grid: Grid
    budget: float
    clock: Clock
    margin: float
    found: Found = field(default_factory=Found)

    @property
    def scale(self) -> float:
        """A price of the right unit: the value of everything over the budget."""
        return max(float(self.grid.value.max(axis=(1, 2)).sum()), 1e-9) / self.budget

    def threshold(self) -> float:
        """What a plan must reach to be worth finding."""
        return max(self.found.value, HOPELESS) + self.margin

    def offer(self, choice: Indices | None) -> None:
        """Keep the choices if they are the best so far; of plans that are not told apart the first is kept."""
        if choice is not None and (value := self.grid.value_of(choice)) > self.found.value + SAME:
            self.found.offer(choice, value)

    def offer_if_fits(self, choice: Indices | None) -> None:
        """Keep choices of unknown cost if they fit the budget and are the best so far."""
        if choice is not None and self.grid.cost_of(choice) <= self.budget:
            self.offer(choice)

    def begin(self, start: Indices) -> float | None:
        """Look for plans on the stem of earlier choices; return the price there, if it leaves few stems to search."""
        stem = self.grid.stem_of(start)
        prices, bounds = dual_prices(self.grid, self.budget, stem, self.scale)
        if not np.isfinite(bounds[0]):
            return None
        price = float(prices[0])
        self.fill(stem, price)
        priced = PricedGrid(self.grid, self.budget, price)
        few = priced.narrow(priced.prefix(NOTHING), self.threshold(), FEW_STEMS)
        return None if few is None else price

    def guess(self, prefix: Levels) -> float:
        """Bisect for the price at which the bound below a prefix is lowest, and fill the good stems met on the way."""
        low, high = 1e-6 * self.scale, 1e3 * self.scale
        met: list[Levels] = []
        lowest = (np.inf, low)
        for _ in range(PROBES):
            price = float(np.sqrt(low) * np.sqrt(high))
            priced = PricedGrid(self.grid, self.budget, price)
            stems = priced.beam(priced.prefix(prefix), WIDTH)
            dear = False
            if stems.bound.size:  # a narrow beam may lose every stem whose corners some app needs
                met.append(stems.levels)
                lowest = min(lowest, (float(stems.bound[0]), price))
                dear = self.grid.cost_of(priced.choices(stems.levels[0])) > self.budget
            low, high = (price, high) if dear else (low, price)
            if self.clock.over():
                break
        if met:
            self.fill(np.unique(np.concatenate(met), axis=0), lowest[1], most=BATCH)
        return lowest[1]

    def prove(self, prefix: Levels, price: float) -> float:
        """Try every stem that begins so and may hold a better plan; return a bound on what was left untried.

        Where one price leaves too many stems, each way to go on from the prefix gets a price of its own: a high top
        rate on a short stem and a low one on a long stem are worth different prices.
        """
        priced = PricedGrid(self.grid, self.budget, price)
        start = priced.prefix(prefix)
        whole = priced.narrow(start, self.threshold(), max(1, FEW_CELLS // len(self.grid.value)))
        if whole is not None:
            return self.fill(whole.levels, price)
        left = -np.inf
        if prefix.size < REPRICED:
            branches = priced.extend(start, self.threshold())
            for at in np.argsort(-branches.bound, kind="stable"):
                if branches.bound[at] < self.threshold():
                    break
                if self.clock.over():
                    return max(left, float(branches.bound[at]))
                branch = branches.levels[at]
                left = max(left, self.prove(branch, self.guess(branch)))
            return left
        for stems, ahead in priced.search(start, self.threshold):
            left = max(left, self.fill(stems.levels, price))
            if self.clock.over():
                return max(left, ahead)
        return left

    def fill(self, levels: Levels, price: float, most: int | None = None) -> float:
        """Look for better plans on the stems; return a bound on what was left untried, -inf if nothing was.

        Args:
            levels: `[P, K - 1]` the stems.
            price: A price near the ones at which their bounds are lowest.
            most: Stop after so many stems: good enough for a first plan.
        """
        size = max(1, CELLS // self.grid.own_cost.size)
        return max(
            (self._fill(levels[at : at + size], price, most) for at in range(0, len(levels), size)), default=-np.inf
        )

    def _fill(self, levels: Levels, price: float, most: int | None) -> float:
        prices, bounds = dual_prices(self.grid, self.budget, levels, price)
        order = np.argsort(-bounds, kind="stable")
        order = order[np.isfinite(bounds[order])]
        levels, prices, bounds = levels[order], prices[order], bounds[order]
        left, at, size = -np.inf, 0, BATCH
        while at < bounds.size and bounds[at] >= self.threshold():
            now = slice(at, at + size)
            if at == 0:
                self.offer(round_down(self.grid, self.budget, levels[now], prices[now]))
            if self.clock.over() or (most is not None and at >= most):
                return max(left, float(bounds[at]))
            left = max(left, self._fill_batch(levels[now], prices[now], float(bounds[at])))
            at, size = at + size, 4 * size
        return left

    def _fill_batch(self, levels: Levels, prices: Floats, bound: float) -> float:
        """Fill a few stems: first look close to their bound, where the search is short, then ever further from it."""
        near = bound - (bound - self.threshold()) / FIRST_LOOK
        while True:
            near = max(near, self.threshold())
            filled = fill(self.grid, self.budget, levels, prices, near, self.clock.over)
            self.offer(filled.choice)
            if filled.choice is not None or near <= self.threshold():
                break
            near = bound - 4 * (bound - near)
        if filled.missed < self.threshold() or len(levels) == 1 or self.clock.over():
            return filled.missed
        half = len(levels) // 2  # too many partial plans for all of them together
        return max(self._fill_batch(levels[part], prices[part], bound) for part in (slice(half), slice(half, None)))


def best_sum(grid: Grid, budget: float, clock: Clock, *, gap: float = 0.0, start: Indices | None = None) -> Found:
    """Find the choices with the largest sum of values among those whose cost fits the budget.

    Args:
        grid: The choices of `n` apps.
        budget: Cost per second that may be spent, > 0.
        clock: Ends the search before it is complete.
        gap: The search also ends when no plan can be better than the best one by more than this, or by `TOLERANCE`.
        start: `[n]` choices that are likely good, e.g. of an earlier plan. They are returned if they fit the budget and
            nothing is better.

    Returns:
        The plan, its value, and a bound: the value plus gap or tolerance where the search was complete. Without
        choices if nothing fits the budget.
    """
    budget *= 1 + SLACK
    ample = _without_a_care(grid, budget, start)
    if ample is not None:
        return ample
    search = _SumSearch(grid, budget, clock, margin=max(gap, TOLERANCE))
    for choice in (start, cheapest(grid)):
        search.offer_if_fits(choice)
    price = None if start is None else search.begin(start)
    if price is None:
        price = search.guess(NOTHING)
    highest = float(grid.value.max(axis=(1, 2)).sum())
    ceiling = min(highest, float(PricedGrid(grid, search.budget, price).prefix(NOTHING).bound[0]))
    left = -np.inf if search.threshold() >= highest else search.prove(NOTHING, price)
    found = search.found
    found.bound = min(ceiling, max(search.threshold(), left))
    return found


def best_minimum(grid: Grid, budget: float, clock: Clock, *, start: Indices | None = None) -> Found:
    """Find the choices with the largest smallest value among those whose cost fits the budget.

    Args and returns are those of `best_sum`; the value is the smallest of the apps' values.
    """
    found = Found()
    flat = grid.value.reshape(len(grid.value), -1)
    ceiling = flat.max(axis=1).min()
    floors = np.unique(flat[np.isfinite(flat) & (flat <= ceiling)])
    found.bound = float(ceiling)
    low, high = 0, floors.size  # floors below `low` can be met, from `high` on they cannot
    for choice in (start, cheapest(grid)):
        if choice is not None and grid.cost_of(choice) <= budget * (1 + SLACK):
            found.offer(choice, grid.least_of(choice))
    if found.choice is not None:
        low = int(np.searchsorted(floors, found.value, side="right"))
    while low < high:
        middle = (low + high) // 2
        choice, proven = _within_budget(grid, floors[middle], budget * (1 + SLACK), clock)
        if choice is not None:
            found.offer(choice, grid.least_of(choice))
            low = int(np.searchsorted(floors, found.value, side="right"))
        elif proven:
            high = middle
            found.bound = float(floors[high - 1]) if high else -np.inf
        else:
            break
    return found


def cheapest(grid: Grid) -> Indices | None:
    """`[n]` the choices of the cheapest plan, every app at the lowest rate; None if that rate is not open to all.

    At one common rate a stem is a depth, and every app branches at its last branch point within it.
    """
    on_offer = np.isfinite(grid.value[:, :, 0])
    last = np.maximum.accumulate(np.where(on_offer, np.arange(grid.tail.size), -1), axis=1)  # [n, depth]
    own = np.where(last >= 0, grid.tail[last], np.inf).sum(axis=0)
    cost = own + np.concatenate([[0.0], np.cumsum(grid.segment)])
    return last[:, int(cost.argmin())] * grid.rates.size if np.isfinite(cost).any() else None


def _without_a_care(grid: Grid, budget: float, start: Indices | None) -> Found | None:
    """Give every app the best there is, if the budget carries that: no price has to be found, and ties are no work."""
    best = grid.value.max(axis=(1, 2))
    priced = _floored(grid, best[:, None, None], budget)
    choice = _fitting(priced, priced.beam(priced.prefix(NOTHING), WIDTH))
    if choice is None:
        return None
    found = Found(choice, grid.value_of(choice), float(best.sum()))
    if start is not None and grid.value_of(start) >= found.value - SAME and grid.cost_of(start) <= budget:
        found.choice = start
    return found


def _within_budget(grid: Grid, floor: float, budget: float, clock: Clock) -> tuple[Indices | None, bool]:
    """Find choices worth `floor` or more each that fit the budget; if none, say whether it is proven that none do."""
    priced = _floored(grid, floor, budget)
    start = priced.prefix(NOTHING)
    choice = _fitting(priced, priced.beam(start, WIDTH))
    if choice is not None:
        return choice, True
    for stems, _ in priced.search(start, lambda: 0.0):
        choice = _fitting(priced, stems)
        if choice is not None:
            return choice, True
        if clock.over():
            return None, False
    return None, True


def _floored(grid: Grid, floor: float | Floats, budget: float) -> PricedGrid:
    """Leave the choices worth the floor or more, at no value: a stem's bound is what its cheapest plan leaves over."""
    return PricedGrid(grid._replace(value=np.where(grid.value >= floor, 0.0, -np.inf)), budget, 1.0)


def _fitting(priced: PricedGrid, stems: Prefixes) -> Indices | None:
    """`[n]` the cheapest choices on any of the whole stems of a floored grid; None if they do not fit the budget."""
    if not stems.bound.size or stems.bound.max() < 0:
        return None
    return priced.choices(stems.levels[int(stems.bound.argmax())])
