"""Placements against all assignments, their bound, and what happens when a node is lost."""

from typing import Any

import numpy as np
import pytest

from rheostat.errors import InfeasibleError, SettingsError
from rheostat.share.placement import FleetNode, Frontiers, Placed, place, plan_nodes, units
from rheostat.share.placement import placing as module
from rheostat.share.plan import Workload
from rheostat.share.scheduler import plan
from rheostat.share.scheduler.exact import SLACK
from rheostat.share.tree import total_cost
from tests.share.placement.toys import a_workload, best_of_all, best_on_a_node, nodes

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
        assert node.mean_f1 <= node.bound
        assert not node.optimal or node.bound - node.mean_f1 <= 1e-6
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


def test_the_bound_allows_for_a_camera_that_is_left_out_though_the_budgets_together_would_carry_it() -> None:
    task = a_workload(0, apps=2)
    deep_is_blind = [
        app.model_copy(
            update={
                "branch_points": tuple(
                    point.model_copy(update={"hit": 0.98 if point.frozen == 0 else 0.02, "false_positive": 0.01})
                    for point in app.branch_points
                )
            }
        )
        for app in task.apps
    ]
    asked = dict.fromkeys("abc", task.model_copy(update={"apps": tuple(deep_is_blind)}))
    boxes = nodes(20.9, 20.9)  # good for one camera that sees, and a little more; or for one that is blind
    found = place(boxes, asked)
    holds(found, boxes, asked)
    assert len(found.placement.left_out) == 1
    assert found.placement.bound > found.placement.mean_f1 + 1e-3, "one box of 41.8 would be worth more"


def triples(names: list[str]) -> list[set[str]]:
    return [{a, b, c} for a in names for b in names for c in names if a < b < c]


def share(asked: dict[str, Workload], some: set[str]) -> float:
    weights = {name: sum(app.weight for app in w.apps) for name, w in asked.items()}
    return sum(weights[name] for name in some) / sum(weights.values())


def unshared() -> Workload:
    """Four apps that can share nothing: 10 each at least, and 0.5 for the picture."""
    task = a_workload(1, apps=4)
    apps = tuple(app.model_copy(update={"branch_points": app.branch_points[:1]}) for app in task.apps)
    return task.model_copy(update={"apps": apps})


def test_a_camera_that_no_node_can_carry_is_divided() -> None:
    heavy = unshared()
    boxes = nodes(24.0, 24.0)
    found = place(boxes, {"gate": heavy})
    holds(found, boxes, {"gate": heavy})
    assert found.placement.at("gate") == ("node-0", "node-1")
    assert found.placement.left_out == ()
    again = place(boxes, {"gate": heavy}, previous=found.placement).placement
    assert (again.at("gate"), again.moved) == (("node-0", "node-1"), ())


def test_parts_of_a_camera_are_placed_again_joined_again_or_left_out_together() -> None:
    asked = {"gate": unshared()}
    first, second, third, large = (*nodes(24.0, 24.0, 24.0), FleetNode(name="large", budget=200.0))
    divided = place([first, second], asked).placement
    other = place([first, third], asked, previous=divided)
    holds(other, [first, third], asked)
    assert (other.placement.at("gate"), other.placement.moved) == (("node-0", "node-2"), ()), "the other part was lost"
    joined = place([second.model_copy(update={"budget": 200.0})], asked, previous=divided)
    holds(joined, [second.model_copy(update={"budget": 200.0})], asked)
    assert joined.placement.at("gate") == ("node-1",)
    alone = place([first], asked, previous=divided)
    holds(alone, [first], asked)
    assert alone.placement.left_out == ("gate",)
    assert place([large], asked, previous=divided).placement.moved == ()


def test_parts_of_which_one_counts_no_more_are_one_camera_again() -> None:
    asked, boxes = {"gate": unshared()}, nodes(24.0, 24.0)
    divided = place(boxes, asked).placement
    light = set(divided.nodes[1].cameras[0].apps)
    apps = tuple(app.model_copy(update={"weight": 0.0}) if app.name in light else app for app in asked["gate"].apps)
    boxes, asked = nodes(200.0, 24.0), {"gate": asked["gate"].model_copy(update={"apps": apps})}
    found = place(boxes, asked, previous=divided)
    holds(found, boxes, asked)
    assert found.placement.at("gate") == ("node-0",)


def test_a_camera_that_only_rounding_lets_fit_stays() -> None:
    asked = {"gate": unshared()}
    least = place(nodes(40.6), asked).placement
    boxes = nodes(least.nodes[0].cost * (1 - 0.5 * SLACK))
    found = place(boxes, asked, previous=least)
    holds(found, boxes, asked)
    assert found.placement.at("gate") == ("node-0",)


def test_a_camera_that_gets_too_little_is_divided_where_that_gains_more_than_the_margin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, boxes = {"gate": unshared()}, nodes(45.0, 45.0)
    whole = plan_nodes(boxes, asked, {"gate": "node-0"}).placement
    anew = place(boxes, asked)
    holds(anew, boxes, asked)
    assert anew.placement.at("gate") == ("node-0", "node-1")
    gain = anew.placement.mean_f1 - whole.mean_f1
    assert module.SHORT < gain < module.SHORT + module.STAY
    assert place(boxes, asked, previous=whole).placement.at("gate") == ("node-0",)
    monkeypatch.setattr(module, "STAY", 0.5 * (gain - module.SHORT))
    assert place(boxes, asked, previous=whole).placement.at("gate") == ("node-0", "node-1")


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


@pytest.mark.parametrize("seconds", [None, 1e-6])
def test_a_node_that_shrank_sends_cameras_away(seconds: float | None) -> None:
    asked = cameras(4)
    before = plan_nodes(nodes(60.0, 60.0), asked, dict.fromkeys(asked, "node-0")).placement
    boxes = nodes(12.0, 200.0)
    after = place(boxes, asked, previous=before, time_limit=seconds)
    holds(after, boxes, asked)
    assert after.placement.left_out == ()


def test_two_cameras_change_places_where_both_gain_more_than_the_margin_and_only_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    boxes = nodes(13.0, 20.5)  # each carries one camera, and no more
    worth = {(at, box.budget): best_on_a_node([KINDS[at]], box.budget) for at in range(5) for box in boxes}

    def gain(a: int, b: int) -> float:
        return worth[a, 20.5] + worth[b, 13.0] - worth[a, 13.0] - worth[b, 20.5]

    a, b = max(((a, b) for a in range(5) for b in range(5)), key=lambda pair: gain(*pair))
    asked = {"a": KINDS[a], "b": KINDS[b]}
    margin = gain(a, b) / sum(app.weight for workload in asked.values() for app in workload.apps)
    before = plan_nodes(boxes, asked, {"a": "node-0", "b": "node-1"}).placement
    for stay, moved in ((1.1 * margin, ()), (0.5 * margin, ("a", "b"))):
        monkeypatch.setattr(module, "STAY", stay)
        assert place(boxes, asked, previous=before).placement.moved == moved


def test_cameras_that_fill_their_node_to_the_last_corner_stay_or_leave_and_others_come_elsewhere() -> None:
    asked = {f"camera-{at}": workload for at, workload in enumerate(KINDS)}
    least = 10.5  # of each
    boxes = nodes(2 * least, 61.23456, 97.1)  # no number of steps that a search takes is as wide as the first
    before = plan_nodes(boxes, asked, {"camera-0": "node-0", "camera-1": "node-0", "camera-2": "node-1"}).placement
    after = place(boxes, asked, previous=before)
    holds(after, boxes, asked)
    assert after.placement.left_out == ()
    assert after.placement.mean_f1 > before.mean_f1


def test_what_the_steps_of_the_search_hide_is_used() -> None:
    asked = {"a": KINDS[0], "b": KINDS[1]}
    boxes = nodes(10.5, 10.9)  # what the cheapest plan costs, and a little more
    found = place(boxes, asked)
    holds(found, boxes, asked)
    assert found.placement.left_out == ()


def test_a_camera_that_got_another_app_stays_where_it_is() -> None:
    asked = {"a": KINDS[0], "b": KINDS[1]}
    boxes = nodes(60.0, 60.0)
    before = plan_nodes(boxes, asked, {"a": "node-0", "b": "node-0"}).placement
    more = a_workload(0, apps=3)
    after = place(boxes, {"a": more, "b": KINDS[1]}, previous=before)
    holds(after, boxes, {"a": more, "b": KINDS[1]})
    stayed = [name for name in asked if after.placement.at(name) == ("node-0",)]
    assert stayed
    assert not {*after.placement.moved} & {*stayed}


def test_cameras_of_a_kind_keep_the_names_of_their_apps() -> None:
    apps = tuple(app.model_copy(update={"name": f"other-{app.name}"}) for app in KINDS[0].apps)
    asked = {"a": KINDS[0], "b": KINDS[0].model_copy(update={"apps": apps})}
    found = place(nodes(500.0), asked)
    holds(found, nodes(500.0), asked)


def test_when_the_time_is_over_there_is_a_placement_with_a_bound() -> None:
    asked = cameras(20)
    boxes = nodes(*[60.0] * 5)
    found = place(boxes, asked, time_limit=1e-6)
    holds(found, boxes, asked)
    assert found.placement.mean_f1 > 0


def test_a_node_whose_plans_are_not_proven_says_so_and_how_far_off_they_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, boxes = cameras(4), nodes(60.0)
    proven = place(boxes, asked)
    exact = units.allocate
    less_sure = lambda *given, **named: (found := exact(*given, **named))._replace(bound=found.bound + 0.1)  # noqa: E731
    monkeypatch.setattr(units, "allocate", less_sure)
    found = place(boxes, asked)
    holds(found, boxes, asked)
    weight = sum(app.weight for workload in asked.values() for app in workload.apps)
    (node,), (before,) = found.placement.nodes, proven.placement.nodes
    assert (before.optimal, node.optimal, any(made.optimal for made in found.plans.values())) == (True, False, False)
    assert node.bound == pytest.approx(before.bound + 0.1 / weight, abs=1e-6)


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
