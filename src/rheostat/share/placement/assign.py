"""Which node carries which camera: construction at a price, then moves and swaps while they gain.

The worth of a set of cameras on a node is the sum of their values when its budget is shared out in the best way. For
the search it is tabulated in steps of compute: ``table[r]`` is what the node's cameras are worth if `r` steps are left
to somebody else, so another camera with efficient plans (c, v) would make it ``max over plans of table[c] + v``, and
that is one look-up per plan for all nodes at once. Costs are rounded up to whole steps and capacities down, so what the
tables allow fits; what they miss by rounding is given back when the nodes' plans are made exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from rheostat.share.placement.frontier import Points, efficient
from rheostat.share.scheduler.stems import Floats, Indices

CELLS = 4_000_000  # numbers in the tables of all cameras together
FEWEST, MOST = 256, 4096  # steps of the largest node
ALIKE = 0.01  # plans of a camera nearer than this, as a share of its values, are one to the search
GAIN = 1e-6  # what a change must be worth
OUTSIDE = -1  # where a camera is that no node carries


class Task(NamedTuple):
    """What is to be assigned.

    kinds: Efficient plans of each kind of camera.
    kind: `[U]` kind of every camera.
    capacity: `[M]` of every node, in the unit of the costs.
    home: `[U]` node that the camera is on already; `OUTSIDE` = none.
    stay: `[U]` what it costs, in value, if it leaves its home.
    """

    kinds: Sequence[Points]
    kind: Indices
    capacity: Floats
    home: Indices
    stay: Floats


class Assigner:
    """An assignment that is made and then improved.

    Args:
        task: Cameras and nodes.
        at: `[U]` node of every camera to begin with; those on `OUTSIDE` are to be placed.
        over: Asked between steps; if true, the search ends.

    Attributes:
        at: `[U]` node of every camera.
    """

    def __init__(self, task: Task, at: Indices, over: Callable[[], bool]) -> None:
        self._task, self._over = task, over
        self.at = np.array(at, dtype=np.intp)
        units, nodes = self.at.size, task.capacity.size
        steps = int(np.clip(CELLS // (units + nodes), FEWEST, MOST))
        self._step = float(task.capacity.max()) / steps
        self._room = np.floor(task.capacity / self._step + 1e-9).astype(np.intp)
        self._plans = [self._stepped(points, steps) for points in task.kinds]
        most = max(cost.size for cost, _ in self._plans)
        self._cost = np.full((len(self._plans), most), steps + 1, np.intp)  # the same plans, side by side
        self._value = np.full((len(self._plans), most), -np.inf)
        for kind, (cost, value) in enumerate(self._plans):
            self._cost[kind, : cost.size], self._value[kind, : cost.size] = cost, value
        self._table = np.where(np.arange(steps + 2) <= self._room[:, None], 0.0, -np.inf)
        self._rest = np.zeros((units, steps + 2))  # table of a camera's node without it
        self._alone = np.zeros((units, len(task.kinds)))  # worth of its node with one of a kind in its stead
        self._with = np.full((nodes, len(task.kinds)), -np.inf)  # worth of a node with one of a kind more
        self._now = np.zeros(nodes)  # worth of every node
        for node in range(nodes):
            self._renew(node)

    def build(self, price: float) -> None:
        """Place what is outside: what pays at the price first, by falling size; each camera where it is worth most.

        What a node has left counts by the price, so a camera is worth the same wherever the plan that pays fits. Of
        nodes that are alike in this the one with the least room left takes it (best fit).
        """
        kinds, kind = self._task.kinds, self._task.kind
        gains = [points.value - price * points.cost for points in kinds]
        size = np.array([points.cost[gain.argmax()] for points, gain in zip(kinds, gains, strict=True)])
        pays = np.array([gain.max() > 0 for gain in gains])
        by_step = price * self._step
        left = by_step * np.arange(self._table.shape[1])
        valued = np.maximum.accumulate((self._table + left)[:, ::-1], axis=1)[:, ::-1]
        for unit in np.lexsort((-size[kind], ~pays[kind])):
            if self.at[unit] != OUTSIDE:
                continue
            cost, value = self._plans[kind[unit]]
            gain = (valued[:, cost] + (value - by_step * cost)).max(axis=1) - _or_zero(valued[:, 0])
            if not np.isfinite(gain).any():
                continue
            alike = np.flatnonzero(gain >= gain.max() - GAIN)
            node = int(alike[(self._table[alike] + left).argmax(axis=1).argmin()])
            self.at[unit] = node
            self._table[node] = self._joined(self._table[node], cost, value)
            valued[node] = np.maximum.accumulate((self._table[node] + left)[::-1])[::-1]
        for node in range(len(self._table)):
            self._renew(node)

    def improve(self) -> None:
        """Move a camera to another node, or swap two, as long as the worth of all nodes rises."""
        changed = True
        while changed:
            changed = False
            for unit in range(self.at.size):
                if self._over():
                    return
                changed |= self._improved(unit)

    def fits(self, unit: int, parts: Sequence[Points]) -> tuple[float, int, int]:
        """What is gained if a camera becomes two parts on different nodes, and which; -inf if they fit nowhere."""
        home = int(self.at[unit])
        table = self._table if home == OUTSIDE else self._table.copy()
        if home != OUTSIDE:
            table[home] = self._rest[unit]
        worth = []
        for part in parts:
            cost, value = self._stepped(part, self._table.shape[1] - 2)
            worth.append((table[:, cost] + value).max(axis=1) - _or_zero(table[:, 0]))
        both = worth[0][:, None] + worth[1][None, :]
        np.fill_diagonal(both, -np.inf)
        one, other = np.unravel_index(int(both.argmax()), both.shape)
        before = 0.0 if home == OUTSIDE else float(self._now[home] - self._rest[unit, 0])
        return float(both[one, other]) - before, int(one), int(other)

    def _improved(self, unit: int) -> bool:
        """Make the best change with one camera, if it gains."""
        a, kind, units = int(self.at[unit]), self._task.kind, np.arange(self.at.size)
        value = np.append(self._now, 0.0)  # the last one is that of outside
        gain = self._rest[unit, 0] - value[a] + self._with[:, kind[unit]] - value[:-1]
        gain += self._held(unit, a) - self._held(unit, np.arange(value.size - 1))
        if a != OUTSIDE:
            gain[a] = -np.inf
        there = self.at
        swap = self._alone[unit, kind] + self._alone[:, kind[unit]] - value[a] - value[there]
        swap += self._held(unit, a) - self._held(unit, there) + self._held(units, there) - self._held(units, a)
        swap[there == a] = -np.inf
        node, other = int(gain.argmax()), int(swap.argmax())
        if max(gain[node], swap[other]) <= GAIN:
            return False
        if gain[node] >= swap[other]:
            changed = {a, node}
            self.at[unit] = node
        else:
            changed = {a, int(there[other])}
            self.at[unit], self.at[other] = there[other], a
        for node in sorted(changed - {OUTSIDE}):
            self._renew(node)
        self._renew_outside()
        return True

    def _held(self, unit: int | Indices, node: int | Indices) -> Floats:
        """What it costs that a camera is not at its home."""
        home = self._task.home[unit]
        return np.where((home == OUTSIDE) | (home == node), 0.0, self._task.stay[unit])

    def _renew(self, node: int) -> None:
        """Tabulate a node and its cameras anew."""
        empty = np.where(np.arange(self._table.shape[1]) <= self._room[node], 0.0, -np.inf)
        units = np.flatnonzero(self.at == node)
        self._table[node] = empty if not units.size else self._leave_one_out(empty, units)
        self._with[node] = self._worth_with(self._table[node])
        # what was here before and fits to the last corner has no room once its costs are rounded up to steps
        full = not np.isfinite(self._table[node, 0])
        self._now[node] = (
            sum(self._plans[self._task.kind[unit]][1][0] for unit in units) if full else self._table[node, 0]
        )
        for unit in units:
            self._alone[unit] = self._worth_with(self._rest[unit])

    def _renew_outside(self) -> None:
        for unit in np.flatnonzero(self.at == OUTSIDE):
            self._rest[unit], self._alone[unit] = 0.0, 0.0

    def _leave_one_out(self, table: Floats, units: Indices) -> Floats:
        """Fill in the tables of a node without each of its cameras; return the one with all of them."""
        if units.size == 1:
            self._rest[units[0]] = table
            return self._joined(table, *self._plans[self._task.kind[units[0]]])
        half = units.size // 2
        for own, others in ((units[:half], units[half:]), (units[half:], units[:half])):
            base = table
            for unit in others:
                base = self._joined(base, *self._plans[self._task.kind[unit]])
            whole = self._leave_one_out(base, own)
        return whole

    def _worth_with(self, table: Floats) -> Floats:
        """`[kinds]` worth of a node of that table with one of each kind more."""
        return (table[self._cost] + self._value).max(axis=1)

    def _joined(self, table: Floats, cost: Indices, value: Floats) -> Floats:
        """The table of a node with a camera more."""
        joined = np.full(table.size, -np.inf)
        for steps, gain in zip(cost, value, strict=True):
            if steps < table.size:
                np.maximum(joined[: table.size - steps], table[steps:] + gain, out=joined[: table.size - steps])
        return joined

    def _stepped(self, points: Points, most: int) -> tuple[Indices, Floats]:
        """Plans in whole steps, those that differ; what costs more than the largest node has is one step too dear."""
        steps = np.minimum(np.ceil(points.cost / self._step - 1e-9), most + 1)
        cost, value = efficient(steps, points.value)
        level = np.floor((value - value[0]) / max(ALIKE * (value[-1] - value[0]), GAIN))
        first = np.flatnonzero(np.diff(level, prepend=-1.0))  # the cheapest of each level of value
        return cost[first].astype(np.intp), value[first]


def _or_zero(worth: Floats) -> Floats:
    """Worth of tables, 0 where there is no room: nothing fits into these, and what is gained there is -inf."""
    return np.where(np.isfinite(worth), worth, 0.0)
