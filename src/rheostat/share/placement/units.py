"""What a node carries, and its plan: one per camera, the budget shared out among them exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rheostat.share.placement.allocate import Allocation, allocate
from rheostat.share.placement.document import FleetNode, PlacedCamera, PlacedNode
from rheostat.share.placement.frontier import EXACT, Frontier
from rheostat.share.plan import Plan, Workload
from rheostat.share.scheduler import plan
from rheostat.share.scheduler.exact import SLACK, Clock


@dataclass(frozen=True)
class Unit:
    """A camera, or a part of it.

    apps: Indices of its apps in the workload.
    """

    camera: str
    workload: Workload
    apps: tuple[int, ...]
    frontier: Frontier

    @property
    def whole(self) -> bool:
        """Whether these are all apps of the camera."""
        return len(self.apps) == len(self.workload.apps)

    @property
    def task(self) -> Workload:
        """The workload of these apps alone."""
        apps = tuple(self.workload.apps[at] for at in self.apps)
        return self.workload if self.whole else self.workload.model_copy(update={"apps": apps})


class NodePlanner:
    """Plans nodes, one after another; a plan that several cameras of a kind get is made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, float], Plan] = {}

    def planned(self, node: FleetNode, units: Sequence[Unit], clock: Clock) -> tuple[PlacedNode, dict[str, Plan]]:
        """Share the node's budget out among what it carries; what it says of itself, and the plans by their files."""
        if not units:
            return PlacedNode(
                name=node.name, budget=node.budget, speed=node.speed, cost=0.0, mean_f1=0.0, bound=0.0, optimal=True,
                cameras=(),
            ), {}  # fmt: skip
        shared = allocate([unit.frontier for unit in units], capacity := node.capacity, over=clock.over)
        weight = sum(unit.frontier.weight for unit in units)
        spare = max(shared.bound - shared.total, 0.0)
        placed, plans = [], {}
        for unit, cost, part in zip(units, shared.cost, _budgets(shared, capacity), strict=True):
            found = self._plan_at(unit, capacity if len(units) == 1 else max(cost * (1 + SLACK), EXACT))
            made = found.model_copy(
                update={
                    "budget": part / node.speed,
                    "cost": found.cost / node.speed,
                    "optimal": shared.proven,
                    "bound": min(found.mean_f1 + spare / unit.frontier.weight, 1.0),
                }
            )
            file = f"{node.name}/{unit.camera}.json"
            plans[file] = made
            placed.append(
                PlacedCamera(
                    camera=unit.camera, apps=tuple(app.name for app in made.apps), plan=file, budget=made.budget,
                    cost=made.cost, mean_f1=made.mean_f1,
                )
            )  # fmt: skip
        mean = sum(camera.mean_f1 * unit.frontier.weight for camera, unit in zip(placed, units, strict=True)) / weight
        told = PlacedNode(
            name=node.name,
            budget=node.budget,
            speed=node.speed,
            cost=sum(camera.cost for camera in placed),
            mean_f1=min(mean, 1.0),
            bound=min(max(shared.bound / weight, mean), 1.0),
            optimal=shared.proven,
            cameras=tuple(placed),
        )
        return told, plans

    def _plan_at(self, unit: Unit, budget: float) -> Plan:
        """The best plan within a budget; made once for cameras of a kind, whose apps differ in nothing but names."""
        key = id(unit.frontier), budget
        if key not in self._made:
            self._made[key] = plan(unit.task, budget=budget)
        made = self._made[key]
        apps = [
            planned.model_copy(update={"name": app.name})
            for planned, app in zip(made.apps, unit.task.apps, strict=True)
        ]
        return made.model_copy(update={"apps": tuple(apps)})


def _budgets(shared: Allocation, capacity: float) -> list[float]:
    """The capacity divided as the costs are; what is left over in the same proportion."""
    total = sum(shared.cost)
    if not total:
        return [capacity / len(shared.cost)] * len(shared.cost)
    return [cost * max(capacity / total, 1.0 + SLACK) if cost else EXACT for cost in shared.cost]
