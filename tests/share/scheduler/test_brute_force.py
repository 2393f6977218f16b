"""Plans of small workloads against every plan there is."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat.errors import InfeasibleError
from rheostat.share.plan import Plan, Workload, as_json, read_workload
from rheostat.share.scheduler import plan
from tests.share.scheduler.oracle import AllPlans, all_plans, budgets, cost_of, foretold, workloads
from tests.share.workloads import app, branch_point
from tests.share.workloads import workload as workload_of

EXACT = 1e-7  # F1: the scheduler does not look for plans that are better by less than 5e-8


def restricted_by_hand(workload: Workload, sharing: str) -> Workload:
    """The same apps with only the branch point that each may use."""
    values = as_json(workload)
    for entry in values["apps"]:
        points = entry["branch_points"]
        if sharing == "max":
            entry["branch_points"] = points[-1:]
        elif sharing == "none":
            entry["branch_points"] = [points[0] | {"frozen": 0}]
        elif sharing == "head" and workload.head is None:
            entry["branch_points"] = [points[max(len(points) - 2, 0)]]
        elif sharing == "head":
            not_deeper = [point for point in points if point["frozen"] <= workload.head]
            entry["branch_points"] = [not_deeper[-1] if not_deeper else points[0]]
    return read_workload(values)


def check_told(workload: Workload, found: Plan) -> None:
    """What a plan says of itself is true."""
    assert [entry.name for entry in found.apps] == [entry.name for entry in workload.apps]
    assert found.cost == pytest.approx(cost_of(workload, found), rel=1e-12, abs=1e-12)
    assert found.cost <= found.budget + 1e-6
    for entry, wanted in zip(found.apps, workload.apps, strict=True):
        assert (entry.votes is None) == (wanted.votes is None)
        told = (entry.recall, entry.precision, entry.f1)
        assert told == pytest.approx(foretold(workload, wanted, entry.frozen, entry.fps, entry.votes), rel=0, abs=1e-12)
    weight = np.array([entry.weight for entry in workload.apps])
    f1 = np.array([entry.f1 for entry in found.apps])
    assert found.mean_f1 == pytest.approx(f1 @ weight / weight.sum(), rel=0, abs=1e-12)
    assert found.min_f1 == f1[weight > 0].min()


def check_best(plans: AllPlans, found: Plan) -> None:
    """No plan within the budget is better, and the plan says so."""
    assert found.optimal
    if found.objective == "mean":
        value = found.mean_f1
        assert value == pytest.approx(plans.best_mean(found.budget), rel=0, abs=EXACT)
    else:
        value = found.min_f1
        least, mean = plans.best_least(found.budget)
        assert value == pytest.approx(least, rel=0, abs=EXACT)
        assert found.mean_f1 == pytest.approx(mean, rel=0, abs=EXACT)
    assert value <= found.bound + 1e-15
    assert found.bound - value <= 1e-7


def check_refused(workload: Workload, plans: AllPlans, budget: float, **options: str) -> None:
    """The error gives the least budget, rounded up to four decimals, and that one does."""
    with pytest.raises(InfeasibleError) as caught:
        plan(workload, budget=budget, **options)
    message, least = str(caught.value), caught.value.least
    assert "\n" not in message
    assert f"budget is {budget:g}: must be at least {least:.4f}, the cost of the cheapest plan of " in message
    assert message.endswith("raise it, offer lower rates in fps, or leave apps out")
    assert plans.cost.min() - EXACT <= least <= plans.cost.min() + 1e-4 + EXACT
    assert least == pytest.approx(math.ceil(least * 1e4 - 1e-6) / 1e4, rel=0, abs=1e-9)
    assert plan(workload, budget=least, **options).optimal


def check(workload: Workload, budget: float, plans: AllPlans, **options: str) -> None:
    if plans.cost.min() > budget * (1 + 1e-9):
        return check_refused(workload, plans, budget, **options)
    found = plan(workload, budget=budget, **options)
    check_told(workload, found)
    return check_best(plans, found)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_the_best_plan_of_all_is_found(data: st.DataObject) -> None:
    workload = data.draw(workloads())
    plans = all_plans(workload)
    budget = data.draw(budgets(plans))
    check(workload, budget, plans, objective="mean")
    check(workload, budget, plans, objective="min")


@settings(deadline=None, max_examples=30)
@given(st.data(), st.sampled_from(["mean", "min"]))
def test_a_way_of_sharing_leaves_the_best_plan_with_its_branch_points(data: st.DataObject, objective: str) -> None:
    workload = data.draw(workloads(most=3))
    for sharing in ("none", "max", "head", "any"):
        allowed = restricted_by_hand(workload, sharing)
        plans = all_plans(allowed)
        budget = data.draw(budgets(plans))
        if plans.cost.min() > budget * (1 + 1e-9):
            check_refused(workload, plans, budget, sharing=sharing, objective=objective)
            continue
        found = plan(workload, budget=budget, sharing=sharing, objective=objective)
        assert found.sharing == sharing
        check_told(allowed, found)
        check_best(plans, found)


@pytest.mark.parametrize(
    ("sharing", "head", "frozen"),
    [("none", None, 0), ("max", None, 4), ("head", None, 2), ("head", 3, 2), ("head", 4, 4), ("head", 0, 1)],
)
def test_a_baseline_cuts_where_it_is_said_to(sharing: str, head: int | None, frozen: int) -> None:
    points = [branch_point(1), branch_point(2), branch_point(4)]
    read = read_workload(workload_of(app(branch_points=points), head=head, budget=1000))
    assert plan(read, sharing=sharing).apps[0].frozen == frozen


def test_without_sharing_an_app_is_as_good_as_at_its_first_branch_point() -> None:
    points = [branch_point(2, hit=0.7), branch_point(3, hit=1.0)]
    read = read_workload(workload_of(app(branch_points=points), fps=[10], budget=1000))
    entry = plan(read, sharing="none").apps[0]
    f1 = foretold(read, read.apps[0], 2, 10, None)[2]
    assert (entry.frozen, entry.f1) == (0, pytest.approx(f1, rel=0, abs=1e-12))


def test_of_several_vote_counts_each_choice_has_its_best() -> None:
    """Many false positives: two votes are best at a rate that two samples fit into, one vote where they do not."""
    voting = app(votes=[3, 1, 2], event_seconds=1.0, branch_points=[branch_point(0, hit=0.9, false_positive=0.4)])
    read = read_workload(workload_of(voting, event_model="paper", fps=[1, 2, 3, 5, 10]))
    chosen = {}
    for fps in (1, 2, 3, 5, 10):
        at_rate = read.model_copy(update={"fps": (float(fps),)})
        entry = plan(at_rate, budget=1000).apps[0]
        assert entry.f1 == max(foretold(read, read.apps[0], 0, fps, votes)[2] for votes in (1, 2, 3))
        chosen[fps] = entry.votes
    assert chosen[1] == 1
    assert len(set(chosen.values())) > 1


def test_of_equal_vote_counts_the_first_is_taken() -> None:
    useless = app(votes=[2, 1], branch_points=[branch_point(0, hit=0.0, false_positive=0.0)])
    assert plan(workload_of(useless), budget=1000).apps[0].votes == 2


def test_measured_tables_are_taken_as_they_are() -> None:
    """A number per rate."""
    point = {"frozen": 1, "recall": [0.2, 0.9, 0.4], "precision": [0.9, 0.5, 0.8]}
    read = workload_of(app(branch_points=[point]), fps=[1, 2, 5], event_model="profiled")
    for budget, fps, recall, precision in ((10, 1, 0.2, 0.9), (50, 2, 0.9, 0.5)):  # 10 a frame; more is not better
        entry = plan(read, budget=budget).apps[0]
        assert (entry.fps, entry.votes, entry.recall, entry.precision) == (fps, None, recall, precision)
        assert entry.f1 == pytest.approx(2 * recall * precision / (recall + precision), rel=0, abs=1e-12)


def test_measured_tables_with_votes_are_looked_up_at_the_best_count() -> None:
    """A list per rate, with a number per vote count."""
    table = [[0.2, 0.1], [0.4, 0.7], [0.8, 0.7]]
    read = workload_of(
        app(votes=[1, 3], branch_points=[{"frozen": 1, "recall": table, "precision": table}]),
        fps=[1, 2, 5],
        event_model="profiled",
    )
    for budget, fps, votes, f1 in ((10, 1, 1, 0.2), (20, 2, 3, 0.7), (50, 5, 1, 0.8)):
        entry = plan(read, budget=budget).apps[0]
        assert (entry.fps, entry.votes) == (fps, votes)
        assert (entry.recall, entry.precision, entry.f1) == pytest.approx((f1, f1, f1), rel=0, abs=1e-12)
