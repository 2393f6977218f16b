"""The budget of one node among its cameras: which plan each of them gets, exactly.

Cameras share no computation (their frames differ), so a node's plan is one plan per camera, and the best node plan is a
multiple-choice knapsack over their efficient plans. It is solved over the plans that are known, and what is not known
is held down by the price: with ``upper`` and ``known`` of `rheostat.share.placement.frontier.Line`, at any price >= 0
no node plan is worth more than the first of these, and none with an unknown part more than the second::

    upper bound  = price x capacity + sum over cameras of upper
    best unknown = upper bound - smallest over cameras of (upper - known)

because a node plan with an unknown part loses at least that part's regret. So the solution over the known plans is the
best of all as soon as it reaches the best unknown one; until then more plans are asked for, where they are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from rheostat.share.placement.frontier import EXACT, Frontier, Points, price_of, rung_of
from rheostat.share.scheduler.exact import SLACK, TOLERANCE
from rheostat.share.scheduler.stems import Floats, Indices

BISECTIONS = 40
WIDE = 0.01  # gap, as a share of the value, from which on the scheduler is asked for a plan that spends the rest
ROUNDS = 6  # of asking for more plans, before a node's plan is left with a bound
MOST_PAIRS = 2_000_000  # partial node plans times plans of the next camera, at once


class Allocation(NamedTuple):
    """What every camera of a node gets: `cost` [k] and `value` [k]; no node plan's value exceeds `bound`."""

    cost: tuple[float, ...]
    value: tuple[float, ...]
    bound: float

    @property
    def total(self) -> float:
        """Value of the node plan."""
        return sum(self.value)

    @property
    def proven(self) -> bool:
        """Whether no node plan is better, to the scheduler's tolerance for each camera."""
        return self.bound - self.total <= max(len(self.value), 1) * (TOLERANCE + 2 * EXACT)


def share_out(curves: Sequence[Points], capacity: float) -> Indices | None:
    """Choose a point of every curve, of the largest sum of values whose costs fit.

    Args:
        curves: `k` >= 1 of them, each with at least one point.
        capacity: What the costs may sum to.

    Returns:
        `[k]` indices of points; None if not even the cheapest ones fit.
    """
    capacity *= 1 + SLACK
    least = np.array([curve.cost[0] for curve in curves])
    if least.sum() > capacity:
        return None
    price, start = _dual(curves, capacity)
    best = _raised(curves, capacity, start)
    floor = float(sum(curve.value[at] for curve, at in zip(curves, best, strict=True)))
    gains = [curve.value - price * curve.cost for curve in curves]
    room = price * capacity + sum(float(gain.max()) for gain in gains) - floor  # regret that a better one may have
    later = least.sum()
    cost, value, left = np.zeros(1), np.zeros(1), np.array([room])
    trail: list[tuple[Indices, Indices]] = []
    for curve, gain, cheapest in zip(curves, gains, least, strict=True):
        if not cost.size:
            return best  # as good as the bound, by rounding even above it: nothing better is left
        later -= cheapest
        regret = gain.max() - gain
        near = np.flatnonzero(regret <= room)
        parent, option = _pairs(cost, left, curve.cost[near], regret[near], capacity - later)
        option = near[option]
        cost, value = cost[parent] + curve.cost[option], value[parent] + curve.value[option]
        left = left[parent] - regret[option]
        keep = _efficient(cost, value)
        cost, value, left = cost[keep], value[keep], left[keep]
        trail.append((parent[keep], option[keep]))
    if not value.size or value.max() <= floor:
        return best
    choice, at = np.empty(len(curves), np.intp), int(value.argmax())
    for camera in range(len(curves) - 1, -1, -1):
        parent, option = trail[camera]
        choice[camera], at = option[at], parent[at]
    return choice


def allocate(cameras: Sequence[Frontier], capacity: float, *, over: Callable[[], bool] | None = None) -> Allocation:
    """Find the best node plan.

    Args:
        cameras: At least one; equal ones may be the same object. They learn more plans on the way.
        capacity: What the node carries, at least the sum of their least costs.
        over: Asked before every further question; if true, the best node plan so far is returned, with its bound.
    """
    if len(cameras) == 1:
        cost, value, bound = cameras[0].best_within(capacity)
        return Allocation((cost,), (value,), max(bound, value))
    highest = sum(camera.highest for camera in cameras)
    choice, total = _known_best(cameras, capacity)
    bound = highest
    for turn in range(ROUNDS):
        if highest - total <= EXACT * len(cameras):
            return _as_allocation(choice, total)
        upper, rung = _lowest_bound(cameras, capacity)
        if upper - total > WIDE * highest or turn:  # where one plan more would save many questions
            total = _spend_the_rest(cameras, capacity, choice)
        slack = max(upper - total, EXACT) * (1 + EXACT)
        lines = [camera.known_at(rung, slack) for camera in cameras]
        before = total
        choice, total = _known_best(cameras, capacity)
        upper = price_of(rung) * capacity + sum(line.upper for line in lines)
        unknown = upper - min(line.upper - line.known for line in lines)
        bound = min(bound, max(total, unknown))
        if bound - total <= EXACT or (turn and total <= before) or (over is not None and over()):
            break
    return _as_allocation(choice, max(bound, total))


def _as_allocation(choice: Sequence[tuple[float, float]], bound: float) -> Allocation:
    return Allocation(tuple(cost for cost, _ in choice), tuple(value for _, value in choice), bound)


def _known_best(cameras: Sequence[Frontier], capacity: float) -> tuple[list[tuple[float, float]], float]:
    """Cost and value per camera of the best node plan over the known plans, and its value."""
    curves = [camera.points for camera in cameras]
    choice = share_out(curves, capacity)
    assert choice is not None  # the caller sees to it
    found = [(float(curve.cost[at]), float(curve.value[at])) for curve, at in zip(curves, choice, strict=True)]
    return found, sum(value for _, value in found)


def _spend_the_rest(cameras: Sequence[Frontier], capacity: float, choice: Sequence[tuple[float, float]]) -> float:
    """Ask for plans that would spend what is left over; return the value of the node plan with the best of them."""
    spent, total = sum(cost for cost, _ in choice), sum(value for _, value in choice)
    for camera, (cost, value) in zip(cameras, choice, strict=True):
        spare = capacity - spent
        if spare > 0 and value < camera.highest - EXACT:
            more, better, _ = camera.best_within(cost + spare)
            if better > value:
                spent, total = spent + more - cost, total + better - value
    return total


def _lowest_bound(cameras: Sequence[Frontier], capacity: float) -> tuple[float, int]:
    """The rung of the ladder at which the node's bound is lowest, and that bound."""
    price, _ = _dual([camera.points for camera in cameras], capacity)
    lowest = 1e-3 * sum(camera.highest for camera in cameras) / capacity  # below, all plans are nearly as good
    middle = rung_of(max(price, lowest))
    found = []
    for rung in (middle - 1, middle, middle + 1):
        upper = price_of(rung) * capacity + sum(camera.known_at(rung).upper for camera in cameras)
        found.append((upper, rung))
    return min(found)


def _dual(curves: Sequence[Points], capacity: float) -> tuple[float, Indices]:
    """The price at which the bound is lowest, about, and the choices at one just above it, which fit."""
    most = max(float(curve.value[-1]) for curve in curves)
    scale = max(most, EXACT) / capacity
    low, high = 1e-4 * scale, 1e6 * scale
    choice = np.zeros(len(curves), np.intp)
    bound, price = np.inf, high
    for _ in range(BISECTIONS):
        middle = float(np.sqrt(low * high))
        at = np.array([int((curve.value - middle * curve.cost).argmax()) for curve in curves])
        cost = sum(curve.cost[i] for curve, i in zip(curves, at, strict=True))
        found = middle * (capacity - cost) + sum(curve.value[i] for curve, i in zip(curves, at, strict=True))
        if found < bound:
            bound, price = float(found), middle
        if cost > capacity:
            low = middle
        else:
            high, choice = middle, at
    return price, choice


def _raised(curves: Sequence[Points], capacity: float, choice: Indices) -> Indices:
    """Raise single cameras while the capacity lasts, by what gains most."""
    choice = choice.copy()
    spare = capacity - sum(curve.cost[at] for curve, at in zip(curves, choice, strict=True))
    while True:
        best, camera, option = 0.0, -1, -1
        for number, (curve, at) in enumerate(zip(curves, choice, strict=True)):
            last = int(np.searchsorted(curve.cost, curve.cost[at] + spare, side="right")) - 1
            if curve.value[last] - curve.value[at] > best:
                best, camera, option = float(curve.value[last] - curve.value[at]), number, last
        if camera < 0:
            return choice
        spare -= curves[camera].cost[option] - curves[camera].cost[choice[camera]]
        choice[camera] = option


def _pairs(cost: Floats, left: Floats, more: Floats, regret: Floats, most: float) -> tuple[Indices, Indices]:
    """Every partial node plan with every point that its cost and its regret still allow."""
    parents, options = [], []
    size = max(1, MOST_PAIRS // max(more.size, 1))
    for start in range(0, cost.size, size):
        part = slice(start, start + size)
        fits = (cost[part, None] + more <= most) & (regret <= left[part, None] + EXACT)
        parent, option = np.nonzero(fits)
        parents.append(parent + start)
        options.append(option)
    return np.concatenate(parents), np.concatenate(options)


def _efficient(cost: Floats, value: Floats) -> Indices:
    order = np.lexsort((-value, cost))
    kept = value[order] > np.concatenate([[-np.inf], np.maximum.accumulate(value[order])[:-1]])
    return order[kept]
