"""Search over the stems that apps can share, with a bound that leaves few of them.

A *stem* gives every shared segment a rate that never rises towards the output: an app that branches at `k` sees at
most the rate of the segment before `k`. Given the stem, apps touch one another only through the budget, and a price
`lam` per unit of cost removes even that (Lagrange). So at any price >= 0::

    bound(stem) = lam (budget - cost of stem) + sum over apps of max over what the stem offers (value - lam own cost)

is at least the value of every plan on that stem. The search decides one segment after the other, from the input on, and
keeps the prefixes whose bound reaches a threshold. Two things keep them few:

* an app that branches after the prefix pays `1/n` of the stem still to be built: the cost of a stem is a maximum over
  the apps, which is never below their mean;
* where the rate falls from one segment to the next (a *corner*) some app branches there at exactly that rate, or the
  same plan fits on a smaller stem. Different corners need different apps, so every corner takes at least the smallest
  regret of any app from the bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]
Levels = NDArray[np.int16]

HOPELESS = -1e300  # below any bound but that of a stem which offers nothing to some app
CELLS = 4_000_000  # numbers in one table of the search: 32 MB


class Grid(NamedTuple):
    """What each of `n` apps may choose from: `K` branch points by `R` rates.

    value: `[n, K, R]` gain of a choice; -inf where it is not on offer.
    rates: `[R]` frames per second, rising, > 0.
    tail: `[K]` cost of one frame from the branch point to the end, never rising; the first branch point is the input.
    segment: `[K - 1]` cost of one frame between consecutive branch points, >= 0.
    """

    value: Floats
    rates: Floats
    tail: Floats
    segment: Floats

    @property
    def own_cost(self) -> Floats:
        """`[K, R]` cost per second of what an app runs for itself alone."""
        return self.tail[:, None] * self.rates

    def stem_cost(self, levels: Levels) -> Floats:
        """`[P]` cost per second of the stems `[P, K - 1]`."""
        return np.concatenate([[0.0], self.rates])[levels] @ self.segment

    def offered(self, levels: Levels) -> Mask:
        """`[P, K, R]` the choices that the stems `[P, K - 1]` carry; the first branch point needs no stem."""
        top = self.rates.size
        allowed = np.concatenate([np.full((len(levels), 1), top, np.int16), levels], axis=1)
        return np.arange(top) < allowed[:, :, None]

    def stem_of(self, choice: Indices) -> Levels:
        """`[1, K - 1]` the smallest stem that carries the choices `[n]`, each a flat index into `[K, R]`."""
        point, rate = np.divmod(choice, self.rates.size)
        needed = np.where(np.arange(self.segment.size)[:, None] < point, rate + 1, 0)
        return needed.max(axis=1)[None].astype(np.int16)

    def cost_of(self, choice: Indices) -> float:
        """Cost per second of the choices `[n]` with their smallest stem."""
        return float(self.own_cost.ravel()[choice].sum() + self.stem_cost(self.stem_of(choice))[0])

    def value_of(self, choice: Indices) -> float:
        """Sum of the gains of the choices `[n]`."""
        return float(self._values_of(choice).sum())

    def least_of(self, choice: Indices) -> float:
        """Smallest of the gains of the choices `[n]`."""
        return float(self._values_of(choice).min())

    def _values_of(self, choice: Indices) -> Floats:
        return self.value.reshape(len(choice), -1)[np.arange(len(choice)), choice]


class Prefixes(NamedTuple):
    """`P` stems, decided up to the same segment.

    levels: `[P, m]` per decided segment the number of rates it allows; 0 = it does not run.
    cost: `[P]` cost of the decided segments.
    own: `[P, n]` best gain of every app at the branch points decided so far.
    bound: `[P]` upper bound on the value of every plan that begins so.
    """

    levels: Levels
    cost: Floats
    own: Floats
    bound: Floats

    def take(self, which: Indices | Mask | slice) -> Prefixes:
        """Return the chosen prefixes."""
        return Prefixes(self.levels[which], self.cost[which], self.own[which], self.bound[which])


class PricedGrid:
    """A grid at one price per unit of cost, tabulated so that the bound of a prefix is a few look-ups.

    Args:
        grid: The choices.
        budget: Cost per second that may be spent.
        lam: Price of one unit of cost in units of value, >= 0.
    """

    def __init__(self, grid: Grid, budget: float, lam: float) -> None:
        n, points, top = grid.value.shape
        self.grid, self.budget, self.lam = grid, budget, lam
        gain = grid.value - lam * grid.own_cost
        share = (lam / n) * np.concatenate([[0.0], np.cumsum(grid.segment)])[:, None] * grid.rates
        self._exactly = np.full((points, top + 1, n), -np.inf)  # level 0 offers nothing
        self._exactly[:, 1:] = gain.transpose(1, 2, 0)
        self._within = np.maximum.accumulate(self._exactly, axis=1)
        self._later = np.full((points, top + 1, n), -np.inf)
        after = np.maximum.accumulate((gain - share)[:, :0:-1], axis=1)[:, ::-1]  # best branch point after k
        self._later[:-1, 1:] = np.maximum.accumulate(after + share[:-1], axis=2).transpose(1, 2, 0)

    def prefix(self, levels: Levels) -> Prefixes:
        """One prefix `[m]` with its bound; the empty one leaves everything open."""
        own = self._within[0, -1]
        for point, level in enumerate(levels, 1):
            own = np.maximum(own, self._within[point, level])
        last = levels[-1] if levels.size else -1
        cost = np.concatenate([[0.0], self.grid.rates])[levels] @ self.grid.segment[: levels.size]
        bound = np.maximum(own, self._later[levels.size, last]).sum() + self.lam * (self.budget - cost)
        return Prefixes(levels[None], np.array([cost]), own[None], np.array([bound]))

    def extend(self, prefixes: Prefixes, threshold: float) -> Prefixes:
        """Decide one more segment, in every way that may reach the threshold and has something for every app."""
        threshold = max(threshold, HOPELESS)
        decided = prefixes.levels.shape[1]
        point = decided + 1
        last = prefixes.levels[:, -1] if decided else np.full(len(prefixes.cost), self.grid.rates.size)
        parent, level = spread(last + np.intp(1))
        cost = prefixes.cost[parent] + self.grid.segment[decided] * np.concatenate([[0.0], self.grid.rates])[level]
        own = np.maximum(prefixes.own[parent], self._within[point, level])
        best = np.maximum(own, self._later[point, level])
        bound = best.sum(axis=1) + self.lam * (self.budget - cost)
        keep = np.flatnonzero(bound >= threshold)
        levels = np.concatenate([prefixes.levels[parent[keep]], level[keep, None].astype(np.int16)], axis=1)
        extended = Prefixes(levels, cost[keep], own[keep], bound[keep] - self._corner_regret(levels, best[keep]))
        return extended.take(extended.bound >= threshold)

    def choices(self, levels: Levels) -> Indices:
        """`[n]` what every app takes on one stem `[K - 1]`, as flat indices into `[K, R]`."""
        gain = np.where(self.grid.offered(levels[None])[0], self.grid.value - self.lam * self.grid.own_cost, -np.inf)
        return gain.reshape(len(gain), -1).argmax(axis=1)

    def beam(self, start: Prefixes, width: int) -> Prefixes:
        """Good whole stems: at every segment only the best `width` prefixes go on. A guess, not a proof."""
        while start.levels.shape[1] < self.grid.segment.size:
            start = self.extend(start, -np.inf)
            start = start.take(np.argsort(-start.bound, kind="stable")[:width])
        return start

    def narrow(self, start: Prefixes, threshold: float, most: int) -> Prefixes | None:
        """Every whole stem whose bound reaches the threshold; None once there are more than `most` prefixes."""
        while start.levels.shape[1] < self.grid.segment.size:
            start = self.extend(start, threshold)
            if start.bound.size > most:
                return None
        return start

    def search(self, start: Prefixes, threshold: Callable[[], float]) -> Iterator[tuple[Prefixes, float]]:
        """Yield every whole stem whose bound reaches the threshold, promising ones first, however many there are.

        Args:
            start: Prefixes to go on from.
            threshold: Asked before every step, so that it may rise while the search goes on.

        Yields:
            Some whole stems, perhaps none, and an upper bound on all that is still to come; -inf at the end.
        """
        chunk = max(1, CELLS // (self.grid.value.shape[0] * (self.grid.rates.size + 1)))
        waiting = [start]
        while waiting:
            front = waiting.pop()
            front = front.take(front.bound >= threshold())
            whole = front.levels.shape[1] == self.grid.segment.size
            if not whole and front.bound.size:
                order = np.argsort(-front.bound, kind="stable")
                later, front = front.take(order[chunk:]), front.take(order[:chunk])
                front = self.extend(front, threshold())
                waiting += [part for part in (later, front) if part.bound.size]
                front = front.take(slice(0))
            yield front, max((float(part.bound.max()) for part in waiting), default=-np.inf)

    def _corner_regret(self, levels: Levels, best: Floats) -> Floats:
        """`[P]` least that the corners take from the sum of the `best` gains `[P, n]`."""
        regret = np.zeros(len(levels))
        if levels.shape[1] == self.grid.segment.size:  # the end of a whole stem is a corner too
            levels = np.concatenate([levels, np.zeros((len(levels), 1), np.int16)], axis=1)
        for k in range(levels.shape[1] - 1):
            at = np.flatnonzero(levels[:, k + 1] < levels[:, k])
            regret[at] += (best[at] - self._exactly[k + 1, levels[at, k]]).min(axis=1)
        return regret


def spread(counts: NDArray[np.integer]) -> tuple[Indices, Indices]:
    """Number the children of parents that have `counts` of them: the parent of each, and its place among siblings."""
    parent = np.repeat(np.arange(counts.size), counts)
    return parent, np.arange(parent.size) - np.repeat(np.cumsum(counts) - counts, counts)
