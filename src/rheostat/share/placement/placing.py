"""From a fleet to a placement: bound, assignment, one exact plan per node.

1. Every kind of camera is sketched once: cameras with equal workloads are of one kind (`frontier`).
2. The bound: with one price of compute for all nodes, no placement is worth more than price x all budgets together +
   what every camera is worth beyond its cost at that price. It holds for any price, and the lowest one is taken. A
   camera that is divided pays its stem twice, so this holds for divided cameras too. While every camera is carried it
   is the bound of such placements; once one is left out, of all.
3. Cameras are placed at that price, then moved and swapped while that gains (`assign`).
4. A camera that fits nowhere, or gets much less than the price would give it, is divided where that gains.
5. On every node the budget is shared out exactly (`allocate`), and the scheduler plans each camera with its part.

A camera that is on a node already, and the node is still there, stays unless its leaving gains `STAY` for each of its
apps: as if a move cost each of them so much F1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rheostat.errors import InfeasibleError, SettingsError, unknown_name
from rheostat.share.checking import SCHEMA
from rheostat.share.placement.assign import OUTSIDE, Assigner, Task
from rheostat.share.placement.document import FleetNode, Placement
from rheostat.share.placement.frontier import EXACT
from rheostat.share.placement.kinds import Frontiers, fleet_bound
from rheostat.share.placement.units import NodePlanner, Unit
from rheostat.share.plan import Plan, Workload
from rheostat.share.scheduler.exact import SLACK, Clock

STAY = 0.05  # F1 per app (by its weight) that moving a camera must gain
DIVISIONS = 20  # cameras at most that are tried to be divided because they get less than the price would give them
SHORT = 0.02  # of mean F1: cameras that miss less are not divided


@dataclass(frozen=True)
class Placed:
    """A placement, and the plan of every file that it names."""

    placement: Placement
    plans: Mapping[str, Plan]


def place(
    nodes: Sequence[FleetNode],
    cameras: Mapping[str, Workload],
    *,
    previous: Placement | None = None,
    time_limit: float | None = None,
    known: Frontiers | None = None,
) -> Placed:
    """Place cameras on nodes, and plan every node.

    Args:
        nodes: At least one. Costs of the workloads are divided by a node's speed.
        cameras: Workloads by the names of the cameras, at least one; budgets in them are not used.
        previous: Where cameras are now. One whose node is still there stays, unless its move gains `STAY` per app.
        time_limit: Seconds after which, about, no better assignment and no better division of a budget is looked for,
            above 0; sketching each kind of camera and planning each camera are not cut short.
        known: What was found about the workloads in earlier calls; None = nothing.

    Raises:
        SettingsError: There is no camera, or a workload's objective is not the mean.
    """
    clock = Clock(time_limit)
    if time_limit is not None and not time_limit > 0:
        raise SettingsError(f"time_limit is {time_limit}: must be above 0 seconds; leave it out to wait for the end")
    _check(nodes, cameras)
    found = _Search(nodes, cameras, known or Frontiers(), clock, previous)
    found.run()
    return found.placed()


def plan_nodes(
    nodes: Sequence[FleetNode],
    cameras: Mapping[str, Workload],
    where: Mapping[str, str],
    *,
    known: Frontiers | None = None,
) -> Placed:
    """Plan every node for cameras that somebody else has placed: the same plans and the same bound as `place` gives.

    Args:
        nodes: As for `place`.
        cameras: Likewise.
        known: Likewise.
        where: Names of nodes by those of cameras. One that is not there is left out.

    Raises:
        SettingsError: As `place`; or a node is not known.
        InfeasibleError: A node cannot carry its cameras.
    """
    numbers = {node.name: number for number, node in enumerate(nodes)}
    for name in where.values():
        if name not in numbers:
            raise unknown_name("node", name, numbers)
    _check(nodes, cameras)
    found = _Search(nodes, cameras, known or Frontiers(), Clock(), None)
    found.at = np.array([numbers[where[name]] if name in where else OUTSIDE for name in cameras], dtype=np.intp)
    for number, node in enumerate(nodes):
        least = found.least_on(number)
        if least > found.capacity[number] * (1 + SLACK):
            raise InfeasibleError(
                f"node {node.name!r} has a budget of {node.budget:g}: must be at least {least / node.speed:.4f}",
                least=least / node.speed,
            )
    return found.placed()


def _check(nodes: Sequence[FleetNode], cameras: Mapping[str, Workload]) -> None:
    if not cameras or not nodes:
        raise SettingsError(f"there are {len(cameras)} cameras and {len(nodes)} nodes: give at least one of each")
    for name, workload in cameras.items():
        if workload.objective != "mean":
            raise SettingsError(f"camera {name!r}: objective is {workload.objective!r}: a fleet is placed for the mean")


class _Search:
    """One placement being made."""

    def __init__(
        self,
        nodes: Sequence[FleetNode],
        cameras: Mapping[str, Workload],
        known: Frontiers,
        clock: Clock,
        previous: Placement | None,
    ) -> None:
        self.nodes, self.cameras, self.known, self.clock = nodes, cameras, known, clock
        self.capacity = np.array([node.capacity for node in nodes])
        self.had = {} if previous is None else _homes(nodes, previous)
        self.units: list[Unit] = []
        homes: list[int] = []
        for name, workload in cameras.items():
            for apps, home in self._parts(name, workload):
                self.units.append(Unit(name, workload, apps, known.of(workload, apps)))
                homes.append(home)
        self.home = homes
        self.at = np.array(homes, dtype=np.intp)
        whole = [self.known.of(workload, tuple(range(len(workload.apps)))) for workload in cameras.values()]
        self.weight = sum(frontier.weight for frontier in whole)
        self.whole = whole
        enough = sum(frontier.least for frontier in whole) <= self.capacity.sum()
        self.bound, self.price = fleet_bound(whole, float(self.capacity.sum()), all_carried=bool(enough))

    def run(self) -> None:
        """Assign, and divide what gains by it."""
        self._make_room()
        assigner = self._assigner()
        assigner.build(self.price)
        assigner.improve()
        self.at = assigner.at
        while not self.clock.over() and self._divide(assigner):
            assigner = self._assigner()
            assigner.improve()
            self.at = assigner.at
        self._place_the_rest()
        self._whole_or_not_at_all()
        self._place_the_rest()

    def placed(self) -> Placed:
        """Plan every node."""
        plans: dict[str, Plan] = {}
        planner = NodePlanner()
        told = []
        for number, node in enumerate(self.nodes):
            made, of_node = planner.planned(
                node, [self.units[at] for at in np.flatnonzero(self.at == number)], self.clock
            )
            told.append(made)
            plans |= of_node
        value = sum(node.mean_f1 * self._weight_on(number) for number, node in enumerate(told))
        mean = min(value / self.weight, 1.0)
        outside = {self.units[at].camera for at in np.flatnonzero(self.at == OUTSIDE)}
        if outside:
            self.bound, _ = fleet_bound(self.whole, float(self.capacity.sum()), all_carried=False)
        moved = {
            unit.camera
            for unit, at in zip(self.units, self.at, strict=True)
            if at != OUTSIDE and self._was_elsewhere(unit, int(at))
        }
        placement = Placement(
            schema=SCHEMA,
            mean_f1=mean,
            bound=min(max(self.bound / self.weight, mean), 1.0),
            apps=sum(len(workload.apps) for workload in self.cameras.values()),
            nodes=tuple(told),
            left_out=tuple(name for name in self.cameras if name in outside),
            moved=tuple(name for name in self.cameras if name in moved),
            seconds=self.clock.seconds,
        )
        return Placed(placement, plans)

    def _parts(self, name: str, workload: Workload) -> list[tuple[tuple[int, ...], int]]:
        """A camera as it was placed before; whole, and without a home, if its parts had other apps than it has now.

        Or if no app of a part counts any more: a mean needs one.
        """
        numbers = {app.name: at for at, app in enumerate(workload.apps)}
        heavy = {app.name for app in workload.apps if app.weight}
        before = self.had.get(name, [])
        if len(before) == 1:
            return [(tuple(range(len(workload.apps))), before[0][1])]
        same = sorted(app for apps, _ in before for app in apps) == sorted(numbers)
        if same and all(heavy.intersection(apps) for apps, _ in before):
            return [(tuple(sorted(numbers[app] for app in apps)), home) for apps, home in before]
        return [(tuple(range(len(workload.apps))), OUTSIDE)]

    def _was_elsewhere(self, unit: Unit, at: int) -> bool:
        before = self.had.get(unit.camera)
        if not before or all(home == OUTSIDE for _, home in before):
            return False
        if len(before) == 1 and unit.whole:
            return before[0][1] != at
        names = tuple(sorted(unit.workload.apps[number].name for number in unit.apps))
        homes = {tuple(sorted(apps)): home for apps, home in before}
        return homes.get(names) not in (at, OUTSIDE)

    def _make_room(self) -> None:
        """Send away what no longer fits where it was: of a node that is too small now, the largest first."""
        for node, capacity in enumerate(self.capacity):
            here = sorted(np.flatnonzero(self.at == node), key=lambda at: -self.units[at].frontier.least)
            while here and sum(self.units[at].frontier.least for at in here) > capacity * (1 + SLACK):
                self.at[here.pop(0)] = OUTSIDE

    def _assigner(self) -> Assigner:
        kinds: dict[int, int] = {}
        frontiers = [unit.frontier for unit in self.units]
        for frontier in frontiers:
            kinds.setdefault(id(frontier), len(kinds))
        by_kind = {kinds[id(frontier)]: frontier for frontier in frontiers}
        task = Task(
            kinds=[by_kind[kind].points for kind in range(len(kinds))],
            kind=np.array([kinds[id(frontier)] for frontier in frontiers], dtype=np.intp),
            capacity=self.capacity,
            home=np.array(self.home, dtype=np.intp),
            stay=np.array([STAY * frontier.weight for frontier in frontiers]),
        )
        return Assigner(task, self.at, self.clock.over)

    def _divide(self, assigner: Assigner) -> bool:
        """Divide the first camera that gains by it: of those left out, then of those that miss most."""
        for unit in self._short():
            for one, other in _divisions(self.units[unit]):
                if self.clock.over():
                    return False
                asked = self.units[unit]
                parts = [
                    replace(asked, apps=apps, frontier=self.known.of(asked.workload, apps)) for apps in (one, other)
                ]
                gain, first, second = assigner.fits(unit, [part.frontier.points for part in parts])
                stays = STAY * asked.frontier.weight if self.home[unit] != OUTSIDE else 0.0
                if gain > EXACT + stays + SHORT * asked.frontier.weight * (self.at[unit] != OUTSIDE):
                    self.units[unit : unit + 1] = parts
                    self.home[unit : unit + 1] = [self.home[unit], self.home[unit]]
                    self.at = np.concatenate([self.at[:unit], [first, second], self.at[unit + 1 :]])
                    return True
        return False

    def _short(self) -> list[int]:
        """What may gain by being divided: what no node carries, and what no single node can give its due."""
        left_out, missing = [], {}
        for at, unit in enumerate(self.units):
            points, weight = unit.frontier.points, unit.frontier.weight
            gains = points.value - self.price * points.cost
            within = gains[points.cost <= self.capacity.max() * (1 + SLACK)]
            if len(unit.apps) > 1 and self.at[at] == OUTSIDE:
                left_out.append(at)
            elif len(unit.apps) > 1 and unit.whole and within.size and gains.max() - within.max() > SHORT * weight:
                missing[at] = float(within.max() - gains.max())
        return left_out + sorted(missing, key=lambda at: missing[at])[:DIVISIONS]

    def _join_parts(self) -> None:
        """Parts of a camera that ended on one node are one again."""
        at = 0
        while at + 1 < len(self.units):
            here, others = self.units[at], range(at + 1, len(self.units))
            twin = next((o for o in others if self.units[o].camera == here.camera and self.at[o] == self.at[at]), None)
            if twin is None or here.whole:
                at += 1
                continue
            apps = tuple(sorted((*here.apps, *self.units[twin].apps)))
            self.units[at] = replace(here, apps=apps, frontier=self.known.of(here.workload, apps))
            del self.units[twin], self.home[twin]
            self.at = np.delete(self.at, twin)

    def _whole_or_not_at_all(self) -> None:
        """A camera of which a part is left out is left out; parts on one node are one again."""
        outside = {self.units[at].camera for at in np.flatnonzero(self.at == OUTSIDE)}
        for at, unit in enumerate(self.units):
            if unit.camera in outside:
                self.at[at] = OUTSIDE
        self._join_parts()

    def _place_the_rest(self) -> None:
        """Give what is left out to the nodes' last corners, which the steps of the tables hide."""
        for unit in np.flatnonzero(self.at == OUTSIDE):
            least = self.units[unit].frontier.least
            room = self.capacity * (1 + SLACK) - [self.least_on(node) for node in range(len(self.nodes))]
            if room.max() >= least:
                self.at[unit] = int(room.argmax())

    def least_on(self, node: int) -> float:
        """What the cheapest plans of a node's cameras cost together."""
        return sum(self.units[at].frontier.least for at in np.flatnonzero(self.at == node))

    def _weight_on(self, node: int) -> float:
        return sum(self.units[at].frontier.weight for at in np.flatnonzero(self.at == node))


def _homes(nodes: Sequence[FleetNode], previous: Placement) -> dict[str, list[tuple[tuple[str, ...], int]]]:
    """By camera: the apps that were together, and the node they were on; `OUTSIDE` if that is gone."""
    numbers = {node.name: number for number, node in enumerate(nodes)}
    found: dict[str, list[tuple[tuple[str, ...], int]]] = {}
    for node in previous.nodes:
        for placed in node.cameras:
            found.setdefault(placed.camera, []).append((placed.apps, numbers.get(node.name, OUTSIDE)))
    return found


def _divisions(unit: Unit) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Ways to divide a camera's apps in two: those that can freeze most apart from the others, about in the middle."""
    deepest = [max(point.frozen for point in app.branch_points) for app in unit.workload.apps]
    order = sorted(unit.apps, key=lambda at: (-deepest[at], at))
    middle = len(order) // 2
    heavy = [unit.workload.apps[at].weight > 0 for at in order]
    cuts = sorted({middle, max(1, middle - 1), min(len(order) - 1, middle + 1)}, key=lambda cut: abs(cut - middle))
    able = [cut for cut in cuts if any(heavy[:cut]) and any(heavy[cut:])]  # a mean needs an app that counts
    return [(tuple(sorted(order[:cut])), tuple(sorted(order[cut:]))) for cut in able]
