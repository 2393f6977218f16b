"""Small fleets, and what their best placement is: by looking at every assignment and every plan."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rheostat.share.placement import FleetNode
from rheostat.share.plan import Workload, read_workload
from tests.share.scheduler.oracle import all_plans

Floats = npt.NDArray[np.float64]
ROUNDING = 1e-9
_KNOWN: dict[int, tuple[Workload, tuple[Floats, Floats]]] = {}


def a_workload(seed: int, apps: int = 2, **values: Any) -> Workload:
    """Apps with heads at three points of a base of four layers, at three rates."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(apps):
        hits = np.sort(rng.uniform(0.3, 0.98, 3))[::-1]
        made.append(
            {
                "name": f"app-{number}",
                "event_seconds": float(rng.choice([0.5, 1.0, 3.0])),
                "event_frequency": float(rng.uniform(0.1, 0.6)),
                "correlation": float(rng.uniform(0, 0.8)),
                "weight": float(rng.choice([1.0, 1.0, 2.5])),
                "branch_points": [
                    {"frozen": frozen, "hit": float(hit), "false_positive": float(rng.uniform(0.01, 0.2))}
                    for frozen, hit in zip((0, 2, 4), hits, strict=True)
                ],
            }
        )
    base = {"schema": 1, "stream_fps": 10, "fps": [1, 2, 5], "event_model": "paper", "layer_cost": [4.0, 3.0, 2.0, 1.0]}
    return read_workload({**base, "picture_cost": 0.5, "apps": made, **values})


def nodes(*budgets: float, speeds: Sequence[float] | None = None) -> list[FleetNode]:
    return [
        FleetNode(name=f"node-{number}", budget=budget, speed=speed)
        for number, (budget, speed) in enumerate(zip(budgets, speeds or [1.0] * len(budgets), strict=True))
    ]


def weight_of(workload: Workload) -> float:
    return sum(app.weight for app in workload.apps)


def every_plan(workload: Workload) -> tuple[Floats, Floats]:
    """Cost and value (sum of weight times F1) of every plan that no other one is both cheaper and better than."""
    if id(workload) in _KNOWN:
        return _KNOWN[id(workload)][1]
    plans = all_plans(workload)
    order = np.lexsort((-plans.mean, plans.cost))
    cost, value = plans.cost[order], plans.mean[order] * weight_of(workload)
    keep = value > np.concatenate([[-np.inf], np.maximum.accumulate(value)[:-1]])
    _KNOWN[id(workload)] = workload, (cost[keep], value[keep])
    return cost[keep], value[keep]


def best_on_a_node(workloads: Iterable[Workload], capacity: float) -> float:
    """The largest sum of values that a node can carry, over every combination of plans; -inf if none fits."""
    cost, value = np.zeros(1), np.zeros(1)
    for workload in workloads:
        more_cost, more_value = every_plan(workload)
        cost = (cost[:, None] + more_cost).ravel()
        value = (value[:, None] + more_value).ravel()
    fits = cost <= capacity + ROUNDING
    return float(value[fits].max(initial=-np.inf))


def best_of_all(boxes: Sequence[FleetNode], cameras: Mapping[str, Workload]) -> float:
    """Mean F1 of the best placement that carries every camera whole, over all assignments; -inf if there is none."""
    best = -np.inf
    known: dict[tuple[int, tuple[str, ...]], float] = {}
    for where in itertools.product(range(len(boxes)), repeat=len(cameras)):
        total = 0.0
        for number, box in enumerate(boxes):
            here = tuple(name for name, at in zip(cameras, where, strict=True) if at == number)
            if (number, here) not in known:
                known[number, here] = best_on_a_node([cameras[name] for name in here], box.budget * box.speed)
            total += known[number, here]
        best = max(best, total)
    return best / sum(weight_of(workload) for workload in cameras.values())
