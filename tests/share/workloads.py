"""Small workloads and plans for tests, as the mappings that a file would hold."""

from collections.abc import Sequence
from typing import Any

import pytest

from rheostat.errors import SettingsError
from rheostat.share.plan import Plan, Workload, read_plan, read_workload


def branch_point(frozen: int = 0, **values: Any) -> dict[str, Any]:
    return {"frozen": frozen, "hit": 0.9, "false_positive": 0.1, **values}


def app(name: str = "bus-0", **values: Any) -> dict[str, Any]:
    points = [branch_point(0), branch_point(2), branch_point(4)]
    base = {"name": name, "event_seconds": 0.4, "event_frequency": 0.6, "correlation": 0.5, "branch_points": points}
    return base | values


def workload(*apps: dict[str, Any], **values: Any) -> dict[str, Any]:
    base = {"schema": 1, "stream_fps": 10, "fps": [1, 2, 5, 10], "layer_cost": [4.0, 3.0, 2.0, 1.0]}
    return {**base, "apps": list(apps or [app()]), **values}


def app_plan(name: str = "bus-0", **values: Any) -> dict[str, Any]:
    return {"name": name, "frozen": 2, "fps": 5, "votes": None, "f1": 0.81, "recall": 0.9, "precision": 0.74} | values


def plan(*apps: dict[str, Any], **values: Any) -> dict[str, Any]:
    made = {"mean_f1": 0.81, "min_f1": 0.81, "cost": 50.0, "budget": 60, "optimal": True, "bound": 0.81, "seconds": 0.1}
    return {"schema": 1, **made, "apps": list(apps or [app_plan()]), **values}


def pair(
    cuts: Sequence[int], fps: Sequence[float], layer_cost: Sequence[float] = (4.0, 3.0, 2.0, 1.0), **values: Any
) -> tuple[Workload, Plan]:
    """A workload and a plan of one app per entry of `cuts`, named app-0, app-1, ... unless `names` says otherwise."""
    names = values.pop("names", [f"app-{number}" for number in range(len(cuts))])
    apps = [app_plan(name, frozen=cut, fps=rate, **values) for name, cut, rate in zip(names, cuts, fps, strict=True)]
    read = read_workload(workload(*map(app_of_one_point, names), layer_cost=list(layer_cost)))
    return read, read_plan(plan(*apps))


def app_of_one_point(name: str) -> dict[str, Any]:
    return app(name, branch_points=[branch_point(0)])


def refusal(values: Any, read: Any = read_workload) -> str:
    """The message of the SettingsError; one line, as all messages to a user are, and none of pydantic's."""
    with pytest.raises(SettingsError) as caught:
        read(values)
    assert "\n" not in str(caught.value)
    assert "Error" not in str(caught.value)
    return str(caught.value)
