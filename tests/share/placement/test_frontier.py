"""The efficient plans of a workload, and what is certain of those that are not known."""

import numpy as np
import pytest

from rheostat.errors import InfeasibleError
from rheostat.share.placement import frontier as module
from rheostat.share.placement.frontier import Frontier, efficient, price_of, rung_of
from rheostat.share.scheduler import plan
from tests.share.placement.toys import a_workload, every_plan, weight_of

SEEDS = range(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_plan_near_a_price_is_known_and_no_other_is_better_there(seed: int) -> None:
    workload = a_workload(seed, apps=3)
    cost, value = every_plan(workload)
    found = Frontier(workload)
    for rung in found.prices(6):
        for slack in (0.0, 0.05, 0.3):
            line = found.known_at(rung, slack)
            gain = value - price_of(rung) * cost
            assert gain.max() - 1e-9 <= line.upper <= gain.max() + 1e-8
            assert line.upper - line.known >= slack - 1e-9
            for at in np.flatnonzero(gain > line.known + 1e-8):
                better = found.points.value[found.points.cost <= cost[at] + 1e-9].max()
                assert better == pytest.approx(value[at], abs=1e-7), "it is known, or one that is as good"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_points_are_plans_and_the_ends_are_there(seed: int) -> None:
    workload = a_workload(seed, apps=3)
    cost, value = every_plan(workload)
    points = Frontier(workload).sketch()
    assert (np.diff(points.cost) > 0).all()
    assert (np.diff(points.value) > 0).all()
    for at_cost, at_value in zip(*points, strict=True):
        assert at_value == pytest.approx(value[cost <= at_cost + 1e-9].max(), abs=1e-6), "nothing cheaper is better"
    assert points.cost[0] == pytest.approx(cost[0])
    assert (points.cost[-1], points.value[-1]) == pytest.approx((cost[-1], value[-1]), abs=1e-6)


def test_too_many_plans_leave_a_bound_that_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = a_workload(1, apps=3)
    cost, value = every_plan(workload)
    for name, most in (("MOST_STEMS", 0), ("MOST_STATES", 0)):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, most)
            found = Frontier(workload)
            for rung in found.prices(4):
                line = found.known_at(rung, 0.2)
                assert line.known == line.upper, "nothing is certain but the bound"
                assert (value - price_of(rung) * cost).max() <= line.upper + 1e-9


def test_the_best_plan_within_a_budget_is_that_of_the_scheduler() -> None:
    workload = a_workload(2, apps=3)
    found = Frontier(workload)
    for budget in np.linspace(found.least, found.points.cost[-1], 5):
        cost, value, bound = found.best_within(float(budget))
        asked = plan(workload, budget=float(budget) * (1 + 1e-12))
        assert value == pytest.approx(asked.mean_f1 * weight_of(workload), abs=1e-6)
        assert cost <= budget * (1 + 1e-9)
        assert value <= bound <= value + 1e-6
        assert value in found.points.value
    with pytest.raises(InfeasibleError, match="must be at least"):
        found.best_within(0.9 * found.least)


def test_the_ladder_of_prices_has_steps_of_a_tenth() -> None:
    assert [rung_of(price_of(rung)) for rung in (-70, -1, 0, 3)] == [-70, -1, 0, 3]
    assert price_of(1) == pytest.approx(1.1)


def test_what_is_dearer_and_no_better_is_left_out() -> None:
    found = efficient(np.array([3.0, 1.0, 2.0, 2.0]), np.array([0.5, 0.2, 0.2, 0.4]))
    assert (found.cost.tolist(), found.value.tolist()) == ([1.0, 2.0, 3.0], [0.2, 0.4, 0.5])
