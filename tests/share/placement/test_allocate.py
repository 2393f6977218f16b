"""The plan of one node against every combination of plans."""

import itertools

import numpy as np
import pytest

from rheostat.share.placement import allocate as module
from rheostat.share.placement import frontier as frontier_module
from rheostat.share.placement.allocate import allocate, share_out
from rheostat.share.placement.frontier import Frontier, Points
from rheostat.share.scheduler import plan
from tests.share.placement.toys import a_workload, best_on_a_node, weight_of

SHARES = (0.05, 0.3, 0.7, 1.1)  # of the way from the cheapest plans to the best ones


def a_curve(rng: np.random.Generator) -> Points:
    return Points(np.cumsum(rng.uniform(0.2, 2.0, 6)), np.cumsum(rng.uniform(0.01, 1.0, 6)))


@pytest.mark.parametrize("seed", range(20))
def test_points_are_shared_out_in_the_best_way(seed: int) -> None:
    rng = np.random.default_rng(seed)
    curves = [a_curve(rng) for _ in range(4)]
    for capacity in np.linspace(sum(c.cost[0] for c in curves), sum(c.cost[-1] for c in curves), 7):
        best = max(
            sum(curve.value[at] for curve, at in zip(curves, choice, strict=True))
            for choice in itertools.product(range(6), repeat=4)
            if sum(curve.cost[at] for curve, at in zip(curves, choice, strict=True)) <= capacity + 1e-9
        )
        choice = share_out(curves, float(capacity))
        assert choice is not None
        assert sum(curve.value[at] for curve, at in zip(curves, choice, strict=True)) == pytest.approx(best)
        assert sum(curve.cost[at] for curve, at in zip(curves, choice, strict=True)) <= capacity * (1 + 1e-9)
    assert share_out(curves, 0.99 * sum(c.cost[0] for c in curves)) is None


@pytest.mark.parametrize("seed", [3, 4])
def test_where_everything_fits_exactly_every_curve_gets_its_last_point(seed: int) -> None:
    rng = np.random.default_rng(seed)
    curves = [a_curve(rng) for _ in range(30)]  # so many that rounding puts what is found above the bound
    for short in (0.0, 1e-11):
        choice = share_out(curves, float(sum(curve.cost[-1] for curve in curves)) * (1 - short))
        assert choice is not None
        assert choice.tolist() == [5] * 30


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cameras", [1, 2, 3])
def test_the_plan_of_a_node_is_the_best_of_all_and_proven(seed: int, cameras: int) -> None:
    workloads = [a_workload(10 * seed + number, apps=2) for number in range(cameras)]
    frontiers = [Frontier(workload) for workload in workloads]
    least = sum(frontier.least for frontier in frontiers)
    most = sum(float(frontier.points.cost[-1]) for frontier in frontiers)
    for share in SHARES:
        capacity = least + share * (most - least)
        found = allocate(frontiers, capacity)
        best = best_on_a_node(workloads, capacity)
        assert found.total == pytest.approx(best, abs=1e-6)
        assert best - 1e-6 <= found.bound
        assert found.proven
        assert sum(found.cost) <= capacity * (1 + 1e-9)


def test_a_node_of_one_camera_gets_the_plan_of_the_scheduler() -> None:
    workload = a_workload(3, apps=3)
    found = allocate([Frontier(workload)], 40.0)
    asked = plan(workload, budget=40.0)
    assert (found.total, sum(found.cost)) == pytest.approx((asked.mean_f1 * weight_of(workload), asked.cost))


@pytest.mark.parametrize("rounds", [1, 6])
def test_a_node_that_is_left_early_has_a_bound_that_holds(rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUNDS", rounds)
    for seed in range(6):
        workloads = [a_workload(100 + 10 * seed + number, apps=2) for number in range(3)]
        frontiers = [Frontier(workload) for workload in workloads]
        capacity = 1.7 * sum(frontier.least for frontier in frontiers)
        found = allocate(frontiers, capacity, over=lambda: True)
        best = best_on_a_node(workloads, capacity)
        assert found.total <= best + 1e-6
        assert found.bound >= best - 1e-6


def test_where_few_plans_are_known_the_bound_still_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier_module, "MOST_STEMS", 0)  # of a price, only the plans that are met first are known
    monkeypatch.setattr(module, "_spend_the_rest", lambda cameras, capacity, choice: sum(value for _, value in choice))
    missed = 0
    for seed in range(6):
        workloads = [a_workload(100 + 10 * seed + number, apps=2) for number in range(3)]
        frontiers = [Frontier(workload) for workload in workloads]
        capacity = 1.7 * sum(frontier.least for frontier in frontiers)
        found = allocate(frontiers, capacity)
        best = best_on_a_node(workloads, capacity)
        assert found.total <= best + 1e-6
        assert found.bound >= best - 1e-6
        missed += found.total < best - 1e-3
        assert not found.proven or found.total >= best - 1e-6
    assert missed, "else nothing is tested"
