"""The same call gives the same plan; an earlier plan saves time and changes nothing but what ties decide."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reproductions.mainstream.published import setups
from rheostat.errors import InfeasibleError, SettingsError
from rheostat.share.plan import Plan, Workload, read_workload
from rheostat.share.scheduler import curve, plan, planner
from tests.share.scheduler.oracle import all_plans, budgets, workloads
from tests.share.scheduler.published import of_apps
from tests.share.workloads import app, branch_point
from tests.share.workloads import workload as workload_of

EXACT = 1e-7  # F1: the scheduler does not look for plans that are better by less than 5e-8


def with_apps(workload: Workload, which: list[int]) -> Workload:
    return workload.model_copy(update={"apps": tuple(workload.apps[i] for i in which)})


def told(found: Plan) -> dict[str, object]:
    """All that a plan says, but for the time it took."""
    return found.model_dump(exclude={"seconds"})


def value_of(found: Plan) -> float:
    return found.mean_f1 if found.objective == "mean" else found.min_f1


@pytest.mark.parametrize("objective", ["mean", "min"])
def test_the_same_call_gives_the_same_plan(objective: str) -> None:
    for index, budget in ((0, 60), (1, 150)):
        workload = of_apps(setups(10)[index])
        first, second = (plan(workload, budget=budget, objective=objective) for _ in range(2))
        assert told(first) == told(second)


@pytest.mark.parametrize("objective", ["mean", "min"])
def test_the_order_of_the_apps_does_not_matter(objective: str) -> None:
    rng = np.random.default_rng(0)
    for index, budget in ((2, 60), (3, 150)):
        workload = of_apps(setups(8)[index])
        first = plan(workload, budget=budget, objective=objective)
        shuffled = with_apps(workload, rng.permutation(8).tolist())
        second = plan(shuffled, budget=budget, objective=objective)
        assert [entry.name for entry in second.apps] == [entry.name for entry in shuffled.apps]
        assert (second.mean_f1, second.min_f1) == pytest.approx((first.mean_f1, first.min_f1), rel=0, abs=EXACT)


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(["mean", "min"]))
def test_a_warm_start_gives_the_value_of_a_cold_one(data: st.DataObject, objective: str) -> None:
    """From another budget, with apps more or fewer, or of a workload that has nothing but names in common."""
    workload = data.draw(workloads())
    plans = all_plans(workload)
    budget = data.draw(budgets(plans).filter(lambda b: b >= plans.cost.min()))
    origin = data.draw(st.sampled_from(["budget", "apps", "other"]))
    before = workload
    if origin == "apps":
        kept = data.draw(st.sets(st.sampled_from(range(len(workload.apps))), min_size=1).map(sorted))
        before = with_apps(workload, kept)
        if not any(entry.weight for entry in before.apps):
            return
    if origin == "other":
        before = data.draw(workloads())
    earlier_budget = data.draw(budgets(all_plans(before)).filter(lambda b: b >= all_plans(before).cost.min()))
    previous = plan(before, budget=earlier_budget)
    cold = plan(workload, budget=budget, objective=objective)
    warm = plan(workload, budget=budget, objective=objective, previous=previous)
    assert warm.optimal
    assert (warm.mean_f1, warm.min_f1) == pytest.approx((cold.mean_f1, cold.min_f1), rel=0, abs=EXACT) or (
        objective == "mean" and warm.mean_f1 == pytest.approx(cold.mean_f1, rel=0, abs=EXACT)
    )
    assert warm.cost <= budget + 1e-6
    back = plan(before, budget=earlier_budget, previous=warm)  # and an app taken away again
    assert back.mean_f1 == pytest.approx(previous.mean_f1, rel=0, abs=EXACT)


@pytest.mark.parametrize("objective", ["mean", "min"])
def test_published_workloads_change_as_boxes_do(objective: str) -> None:
    """Apps come and go and the budget moves; each plan is made from the one before."""
    rng = np.random.default_rng(1)
    workload = of_apps(setups(10)[7])
    previous = None
    for _ in range(12):
        kept = np.sort(rng.permutation(10)[: rng.integers(3, 11)]).tolist()
        now, budget = with_apps(workload, kept), float(rng.integers(40, 250))
        cold = plan(now, budget=budget, objective=objective)
        previous = plan(now, budget=budget, objective=objective, previous=previous)
        assert value_of(previous) == pytest.approx(value_of(cold), rel=0, abs=EXACT)
        assert previous.mean_f1 == pytest.approx(cold.mean_f1, rel=0, abs=EXACT)
        assert previous.optimal


@pytest.mark.parametrize("objective", ["mean", "min"])
def test_an_app_keeps_what_it_has_where_nothing_is_better(objective: str) -> None:
    """Two apps that are the same, and a budget at which only one can have the better rate: either may."""
    twins = [app(name, branch_points=[branch_point(0), branch_point(2)]) for name in ("a", "b", "c")]
    mirrored = read_workload(workload_of(*reversed(twins)))
    workload = read_workload(workload_of(*twins))
    kept = 0
    for budget in range(25, 160, 9):
        other_way = plan(mirrored, budget=budget, objective=objective)
        previous = other_way.model_copy(update={"apps": other_way.apps[::-1]})
        found = plan(workload, budget=budget, objective=objective, previous=previous)
        assert found.apps == previous.apps
        kept += found.apps != plan(workload, budget=budget, objective=objective).apps
    assert kept  # without the previous plan the tie falls the other way


def test_an_earlier_choice_that_is_gone_is_forgotten() -> None:
    """A branch point and a rate that no app has any more, a branch point that this app has not, and a new app."""
    a, b = app("a", branch_points=[branch_point(1), branch_point(3)]), app("b", branch_points=[branch_point(1)])
    previous = plan(workload_of(a, b, fps=[3]), budget=100)
    now = workload_of(app("a", branch_points=[branch_point(2)]), app("b", branch_points=[branch_point(3)]), app("c"))
    assert told(plan(now, budget=60, previous=previous)) == told(plan(now, budget=60))
    swapped = workload_of(a | {"name": "b"}, b | {"name": "a"}, fps=[3])
    assert told(plan(swapped, budget=60, previous=previous)) == told(plan(swapped, budget=60))


@pytest.mark.parametrize("objective", ["mean", "min"])
def test_a_curve_is_the_plans_at_its_budgets_in_their_order(objective: str) -> None:
    workload = of_apps(setups(6)[8])
    asked = [150, 40, 90, 60, 150, 220]
    found = curve(workload, asked, objective=objective)
    values = {}
    for budget, made in zip(asked, found, strict=True):
        assert made is not None
        alone = plan(workload, budget=budget, objective=objective)
        assert made.budget == budget
        assert made.optimal
        assert (made.mean_f1, made.min_f1) == pytest.approx((alone.mean_f1, alone.min_f1), rel=0, abs=EXACT) or (
            value_of(made) == pytest.approx(value_of(alone), rel=0, abs=EXACT) and objective == "mean"
        )
        values[budget] = value_of(made)
    assert [values[budget] for budget in sorted(values)] == sorted(values.values())


def test_each_plan_of_a_curve_starts_from_that_of_the_next_smaller_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[float, float | None] = {}

    def spy(workload: Workload, *, budget: float, previous: Plan | None) -> Plan:
        started[budget] = previous and previous.budget
        return plan(workload, budget=budget, previous=previous)

    monkeypatch.setattr(planner, "plan", spy)
    curve(of_apps(setups(2)[0]), [150, 40, 90])
    assert started == {40: None, 90: 40, 150: 90}


def test_a_curve_has_no_plan_where_nothing_fits() -> None:
    workload = of_apps(setups(6)[8])
    found = curve(workload, [100, 1, 50])
    assert [made and made.budget for made in found] == [100, None, 50]
    with pytest.raises(InfeasibleError, match="budget is 2: must be at least"):
        curve(workload, [2, 1])
    with pytest.raises(SettingsError, match="budget is -1: must be a number above 0"):
        curve(workload, [100, -1])


def test_a_curve_passes_its_options_on_and_starts_from_an_earlier_plan() -> None:
    workload = of_apps(setups(6)[8])
    made = curve(workload, [60], sharing="max", solver="legacy-greedy")[0]
    assert made is not None
    assert told(made) == told(plan(workload, budget=60, sharing="max", solver="legacy-greedy"))
    twins = read_workload(workload_of(*(app(name, branch_points=[branch_point(2)]) for name in "ab")))
    first = plan(twins, budget=60)
    swapped = [entry.model_copy(update={"name": name}) for entry, name in zip(first.apps, "ba", strict=True)][::-1]
    assert swapped != list(first.apps)
    previous = first.model_copy(update={"apps": tuple(swapped)})
    kept = curve(twins, [60], previous=previous)[0]
    assert kept is not None
    assert kept.apps == previous.apps
