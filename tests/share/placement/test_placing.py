"""Placements against all assignments, their bound, and what happens when a node is lost."""

from typing import Any

import numpy as np
import pytest

from rheostat.errors import InfeasibleError, SettingsError
from rheostat.share.placement import FleetNode, Frontiers, Placed, place, plan_nodes
from rheostat.share.placement import placing as module
from rheostat.share.plan import Workload
from rheostat.share.scheduler import plan
from rheostat.share.tree import total_cost
from tests.share.placement.toys import a_workload, best_of_all, nodes

KINDS = [a_workload(seed, apps=2) for seed in range(5)]
NEAR = 0.02  # of mean F1: how near to the best of all assignments the search has to come on these small fleets


def cameras(number: int, seed: int = 0) -> dict[str, Workload]:
    rng = np.random.default_rng(seed)
    return {f"camera-{at}": KINDS[int(rng.integers(len(KINDS)))] for at in range(number)}


def holds(found: Placed, boxes: list[FleetNode], asked: dict[str, Workload]) -> None:
    """Every camera is whole or left out, no budget is exceeded, and all that is said of F1 and cost is true."""
    placement, total, weights = found.placement, 0.0, 0.0
    for workload in asked.values():
        weights += sum(app.weight for app in workload.apps)
    carried: dict[str, list[str]] = {}
    for node, box in zip(placement.nodes, boxes, strict=True):
        assert (node.name, node.budget, node.speed) == (box.name, box.budget, box.speed)
        assert node.cost <= node.budget * (1 + 1e-9)
        assert sum(camera.budget for camera in node.cameras) <= node.budget * (1 + 1e-9)
        for camera in node.cameras:
            made, workload = found.plans[camera.plan], asked[camera.camera]
            carried.setdefault(camera.camera, []).extend(camera.apps)
            assert tuple(app.name for app in made.apps) == camera.apps
            own = total_cost(workload, made.apps) / box.speed
            assert made.cost == pytest.approx(own)
            assert (made.cost, made.budget, made.mean_f1) == (camera.cost, camera.budget, camera.mean_f1)
            weight = {app.name: app.weight for app in workload.apps}
            total += sum(weight[app.name] * app.f1 for app in made.apps)
    for name, workload in asked.items():
        assert sorted(carried.get(name, [])) == sorted(
            [] if name in placement.left_out else [a.name for a in workload.apps]
        )
    assert placement.mean_f1 == pytest.approx(total / weights)
    assert placement.mean_f1 <= placement.bound


@pytest.mark.parametrize("seed", range(8))
def test_small_fleets_are_near_the_best_of_all_assignments_and_the_bound_is_above_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    speeds = rng.choice([0.5, 1.0, 2.0], 3)
    boxes = nodes(*(float(budget) for budget in rng.uniform(25, 70, 3) / speeds), speeds=[float(s) for s in speeds])
    asked = cameras(5, seed)
    found = place(boxes, asked)
    holds(found, boxes, asked)
    best = best_of_all(boxes, asked)
    assert found.placement.bound >= best - 1e-6
    if not any(len(found.placement.at(name)) > 1 for name in asked):
        assert found.placement.mean_f1 <= best + 1e-6
        assert found.placement.mean_f1 >= best - NEAR
    assert all(node.optimal for node in found.placement.nodes)


def test_one_camera_on_one_node_gets_the_plan_of_the_scheduler() -> None:
    workload = a_workload(7, apps=4)
    for speed in (1.0, 2.0):
        found = place(nodes(30.0 / speed, speeds=[speed]), {"gate": workload})
        asked = plan(workload, budget=30.0)
        made = found.plans["node-0/gate.json"]
        assert made.apps == asked.apps
        assert (made.cost * speed, made.budget * speed) == pytest.approx((asked.cost, 30.0))
        assert found.placement.bound >= asked.mean_f1


def test_the_same_call_gives_the_same_placement() -> None:
    asked = cameras(12)
    boxes = nodes(60.0, 90.0, 120.0)
    first, second = (place(boxes, asked).placement for _ in range(2))
    assert first.model_copy(update={"seconds": 0.0}) == second.model_copy(update={"seconds": 0.0})


def test_a_fast_node_carries_more() -> None:
    asked = cameras(4)
    slow, fast = (place(nodes(60.0, speeds=[speed]), asked).placement for speed in (1.0, 3.0))
    assert fast.mean_f1 > slow.mean_f1 + 0.05
    assert fast.nodes[0].cost <= 60.0 * (1 + 1e-9)


def test_what_is_ample_for_all_is_the_best_there_is() -> None:
    asked = cameras(6)
    found = place(nodes(1e4, 1e4), asked).placement
    best = sum(plan(w, budget=1e6).mean_f1 * sum(app.weight for app in w.apps) for w in asked.values())
    assert found.mean_f1 == pytest.approx(best / sum(app.weight for w in asked.values() for app in w.apps), abs=1e-6)
    assert found.gap <= 1e-6


def test_what_fits_nowhere_is_left_out_and_the_bound_allows_for_it() -> None:
    asked = cameras(6)
    boxes = nodes(14.0, 14.0, 14.0)  # the cheapest plan of a camera costs more than 10
    found = place(boxes, asked)
    holds(found, boxes, asked)
    assert len(found.placement.left_out) == 3
    best = max(
        best_of_all(boxes, {name: w for name, w in asked.items() if name in some}) * share(asked, some)
        for some in triples(list(asked))
    )
    assert best - NEAR <= found.placement.mean_f1 <= best + 1e-6
    assert found.placement.bound >= best - 1e-6


def triples(names: list[str]) -> list[set[str]]:
    return [{a, b, c} for a in names for b in names for c in names if a < b < c]


def share(asked: dict[str, Workload], some: set[str]) -> float:
    weights = {name: sum(app.weight for app in w.apps) for name, w in asked.items()}
    return sum(weights[name] for name in some) / sum(weights.values())


def test_a_camera_that_no_node_can_carry_is_divided() -> None:
    apps = [app.model_copy(update={"branch_points": app.branch_points[:1]}) for app in a_workload(1, apps=4).apps]
    heavy = a_workload(1, apps=4).model_copy(update={"apps": tuple(apps)})  # nothing can be shared: 10.5 each at least
    boxes = nodes(24.0, 24.0)
    found = place(boxes, {"gate": heavy})
    holds(found, boxes, {"gate": heavy})
    assert found.placement.at("gate") == ("node-0", "node-1")
    assert found.placement.left_out == ()
    again = place(boxes, {"gate": heavy}, previous=found.placement).placement
    assert (again.at("gate"), again.moved) == (("node-0", "node-1"), ())


def test_cameras_of_a_lost_node_go_elsewhere_and_the_others_stay() -> None:
    asked, known = cameras(12), Frontiers()
    boxes = nodes(60.0, 60.0, 90.0, 90.0)
    before = place(boxes, asked, known=known).placement
    left = [boxes[0], boxes[2], boxes[3]]
    after = place(left, asked, previous=before, known=known)
    holds(after, left, asked)
    gone = [camera.camera for camera in before.nodes[1].cameras]
    assert gone
    for name in asked:
        if name not in gone and name not in after.placement.moved:
            assert after.placement.at(name) == before.at(name)
    assert not {*gone} & {*after.placement.moved}
    anew = place(left, asked, known=known).placement
    assert after.placement.mean_f1 >= anew.mean_f1 - module.STAY
    stayed = [name for name in asked if name not in gone and anew.at(name) == before.at(name)]
    assert len(after.placement.moved) < len(asked) - len(gone) - len(stayed), "from nothing, more of them would move"


def test_a_camera_moves_where_it_gains_more_than_the_margin_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"a": KINDS[0], "b": KINDS[1]}
    crowded = plan_nodes(nodes(26.0, 200.0), asked, {"a": "node-0", "b": "node-0"}).placement
    moved = place(nodes(26.0, 200.0), asked, previous=crowded).placement
    assert moved.mean_f1 > crowded.mean_f1 + module.STAY
    assert moved.moved
    monkeypatch.setattr(module, "STAY", 1.0)
    stays = place(nodes(26.0, 200.0), asked, previous=crowded).placement
    assert stays.moved == ()
    assert stays.mean_f1 == pytest.approx(crowded.mean_f1)


def test_a_node_that_shrank_sends_cameras_away() -> None:
    asked = cameras(4)
    before = place(nodes(60.0, 60.0), asked).placement
    boxes = nodes(12.0, 200.0)
    after = place(boxes, asked, previous=before)
    holds(after, boxes, asked)
    assert after.placement.left_out == ()


def test_when_the_time_is_over_there_is_a_placement_with_a_bound() -> None:
    asked = cameras(20)
    boxes = nodes(*[60.0] * 5)
    found = place(boxes, asked, time_limit=1e-6)
    holds(found, boxes, asked)
    assert found.placement.mean_f1 > 0


def test_apps_of_no_weight_count_nothing() -> None:
    apps = tuple(app.model_copy(update={"weight": 0.0 if at else 1.0}) for at, app in enumerate(KINDS[0].apps))
    asked = {"gate": KINDS[0].model_copy(update={"apps": apps})}
    found = place(nodes(20.0, 20.0), asked)
    holds(found, nodes(20.0, 20.0), asked)


def test_an_assignment_of_somebody_else_is_planned_as_well() -> None:
    asked = cameras(4)
    boxes = nodes(60.0, 60.0)
    where = {name: f"node-{number % 2}" for number, name in enumerate(asked)}
    del where["camera-3"]
    found = plan_nodes(boxes, asked, where)
    holds(found, boxes, asked)
    assert found.placement.left_out == ("camera-3",)
    assert all(found.placement.at(name) == (node,) for name, node in where.items())
    with pytest.raises(SettingsError, match="unknown node 'hut'"):
        plan_nodes(boxes, asked, {"camera-0": "hut"})
    with pytest.raises(InfeasibleError, match="node 'node-0' has a budget of 12: must be at least"):
        plan_nodes(nodes(12.0, 60.0), asked, where)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"cameras": {}}, "there are 0 cameras and 1 nodes"),
        ({"nodes": []}, "there are 2 cameras and 0 nodes"),
        ({"time_limit": 0.0}, "time_limit is 0.0: must be above 0"),
        ({"cameras": {"gate": KINDS[0].model_copy(update={"objective": "min"})}}, "camera 'gate': objective is 'min'"),
    ],
)
def test_what_cannot_be_placed_is_told(values: dict[str, Any], told: str) -> None:
    asked = {"nodes": nodes(60.0), "cameras": cameras(2)} | values
    with pytest.raises(SettingsError, match=told):
        place(asked.pop("nodes"), asked.pop("cameras"), **asked)
