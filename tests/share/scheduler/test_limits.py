"""What a plan says of itself when the search had to end before the proof. The clock counts questions, not seconds."""

import numpy as np
import pytest

from reproductions.mainstream.published import setups
from rheostat.share.plan import Plan, Workload, read_workload
from rheostat.share.scheduler import plan, planner
from tests.share.scheduler.oracle import all_plans, cost_of
from tests.share.scheduler.published import of_apps
from tests.share.workloads import app, branch_point
from tests.share.workloads import workload as workload_of

ASKED = (0, 1, 2, 3, 5, 8, 13, 21, 50)  # after so many questions the time is over


def stop_after(asked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Countdown:
        def __init__(self, seconds: float | None = None) -> None:
            self.left = asked if seconds is not None else 10**9
            self.seconds = 0.25

        def over(self) -> bool:
            self.left -= 1
            return self.left < 0

    monkeypatch.setattr(planner, "Clock", Countdown)


def small(seed: int) -> Workload:
    rng = np.random.default_rng(seed)
    apps = []
    for name in "abcd":
        cuts = sorted(rng.choice(5, 3, replace=False).tolist())
        points = [branch_point(cut, hit=rng.random(), false_positive=0.3 * rng.random()) for cut in cuts]
        apps.append(app(name, branch_points=points, event_seconds=1.0))
    return read_workload(workload_of(*apps, layer_cost=[4.0, 3.0, 2.0, 1.0]))


def value_of(found: Plan) -> float:
    return found.mean_f1 if found.objective == "mean" else found.min_f1


def check(workload: Workload, found: Plan, best: float) -> None:
    """The plan fits, the bound is true, and optimal means optimal."""
    assert cost_of(workload, found) <= found.budget + 1e-6
    assert value_of(found) <= best + 1e-9
    assert found.bound >= best - 1e-9
    assert found.bound >= value_of(found)
    if found.optimal:
        assert value_of(found) == pytest.approx(best, rel=0, abs=1e-8)


@pytest.mark.parametrize("objective", ["mean", "min"])
@pytest.mark.parametrize("seed", range(4))
def test_a_plan_that_was_cut_short_says_what_is_known(
    seed: int, objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = small(seed)
    plans = all_plans(workload)
    for share in (0.02, 0.15, 0.4):
        budget = float(plans.cost.min() + share * (plans.cost.max() - plans.cost.min()))
        best = plans.best_mean(budget) if objective == "mean" else plans.best_least(budget)[0]
        for asked in ASKED:
            stop_after(asked, monkeypatch)
            check(workload, plan(workload, budget=budget, objective=objective, time_limit=1.0), best)


@pytest.mark.parametrize("objective", ["mean", "min"])
@pytest.mark.parametrize("budget", [40, 150])
def test_a_published_workload_that_was_cut_short_says_what_is_known(
    objective: str, budget: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = of_apps(setups(10)[3])
    best = value_of(plan(workload, budget=budget, objective=objective))
    proven = []
    for asked in (0, 2, 10, 40):
        stop_after(asked, monkeypatch)
        found = plan(workload, budget=budget, objective=objective, time_limit=1.0)
        check(workload, found, best)
        assert found.seconds == 0.25
        proven.append(found.optimal)
    if objective == "mean":  # of the minimum the beam may say enough without a question
        assert not proven[0]


def test_the_limit_and_no_limit_reach_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float | None] = []
    clock = planner.Clock
    monkeypatch.setattr(planner, "Clock", lambda seconds=None: given.append(seconds) or clock(seconds))
    plan(small(0), budget=100, time_limit=7.5)
    plan(small(0), budget=100)
    assert given == [7.5, None]


def test_an_earlier_plan_is_returned_at_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = of_apps(setups(10)[5])
    before = plan(workload, budget=120)
    stop_after(0, monkeypatch)
    assert plan(workload, budget=150, previous=before, time_limit=1.0).mean_f1 >= before.mean_f1
    assert plan(workload, budget=120, previous=before, time_limit=1.0).apps == before.apps


@pytest.mark.parametrize("gap", [0.003, 0.05, 1.0])
@pytest.mark.parametrize("index", range(3))
def test_a_gap_is_kept(gap: float, index: int) -> None:
    workload = of_apps(setups(5)[index])
    for budget in (40, 120):
        best = plan(workload, budget=budget).mean_f1
        found = plan(workload, budget=budget, gap=gap)
        check(workload, found, best)
        assert found.mean_f1 >= best - gap - 1e-9
        assert found.bound - found.mean_f1 <= gap + 1e-9


@pytest.mark.parametrize("gap", [0.003, 0.05, 1.0])
@pytest.mark.parametrize("index", range(2))
def test_a_gap_is_kept_for_the_minimum(gap: float, index: int) -> None:
    workload = of_apps(setups(4)[index])
    best = plan(workload, budget=60, objective="min").min_f1
    found = plan(workload, budget=60, objective="min", gap=gap)
    check(workload, found, best)
    assert found.min_f1 >= best - gap - 1e-9
    assert found.bound - found.min_f1 <= gap + 1e-9


def test_the_least_f1_is_optimal_only_with_the_best_mean_beside_it() -> None:
    """With a gap the second search may stop early: then the plan is not called optimal, though no minimum is higher."""
    task = of_apps(setups(10)[0])
    best = plan(task, budget=150, objective="min")
    early = plan(task, budget=150, objective="min", gap=0.05)
    assert best.optimal
    assert early.min_f1 == best.min_f1 == best.bound
    assert early.optimal == (early.mean_f1 >= best.mean_f1 - 1e-9)
    assert not early.optimal
