"""Kinds of cameras, whose frontiers are found once, and what no placement of them can be worth more than."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from rheostat.share.placement.frontier import EXACT, Frontier, price_of, rung_of
from rheostat.share.plan import Workload


class Frontiers:
    """One frontier per kind of workload: what its apps look for is no matter, only how well and at what cost.

    Kept from one placement to the next, it saves finding them again.
    """

    def __init__(self) -> None:
        self._by_key: dict[str, Frontier] = {}
        self._keys: dict[tuple[int, tuple[int, ...]], tuple[Workload, str]] = {}

    def of(self, workload: Workload, apps: tuple[int, ...]) -> Frontier:
        """The frontier of some apps of a workload, by their numbers; sketched when it is asked for first."""
        held = self._keys.get((id(workload), apps))
        if held is None:
            told = workload.model_dump(mode="json", exclude={"budget", "head"})
            told["apps"] = [{**told["apps"][at], "name": ""} for at in apps]
            key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
            held = self._keys[id(workload), apps] = workload, key  # the workload is held, so that its id stays its own
        workload, key = held
        if key not in self._by_key:
            chosen = workload.model_copy(update={"apps": tuple(workload.apps[at] for at in apps)})
            self._by_key[key] = Frontier(chosen)
            self._by_key[key].sketch()
        return self._by_key[key]


def fleet_bound(cameras: Sequence[Frontier], capacity: float, *, all_carried: bool) -> tuple[float, float]:
    """What no placement is worth more than (of those that leave no camera out), and the price at which that is seen."""
    times: dict[int, tuple[Frontier, int]] = {}
    for camera in cameras:
        times[id(camera)] = camera, times.get(id(camera), (camera, 0))[1] + 1

    def at(rung: int, *, exactly: bool) -> float:
        price = price_of(rung)
        total = price * capacity
        for camera, number in times.values():
            gains = camera.points.value - price * camera.points.cost
            upper = camera.known_at(rung).upper if exactly else float(gains.max())
            total += number * (upper if all_carried else max(upper, 0.0))
        return total

    highest = sum(number * camera.highest for camera, number in times.values())
    scale = max(highest, EXACT) / capacity
    rungs = range(rung_of(1e-4 * scale), rung_of(1e4 * scale) + 1)
    middle = min(rungs, key=lambda rung: at(rung, exactly=False))
    bound, rung = min((at(rung, exactly=True), rung) for rung in (middle - 1, middle, middle + 1))
    return min(bound, highest), price_of(rung)
