"""Cost and tree against the formulas written out layer by layer, and against the definition of the Shapley value."""

from collections.abc import Sequence
from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat.errors import SettingsError
from rheostat.share.tree import (
    Segment,
    branch_cost,
    cost_shares,
    grow,
    plan_cost,
    segments,
    stem_cost,
    stem_rates,
    total_cost,
    total_shares,
)
from tests.share.workloads import pair

COSTS = [4.0, 3.0, 2.0, 1.0]


@st.composite
def schedules(draw: st.DrawFn, most: int = 8) -> tuple[list[float], list[int], list[float]]:
    """Layer costs, and per app its cut and its rate; often equal ones."""
    costs = draw(st.lists(st.floats(0, 10), min_size=1, max_size=6))
    apps = st.tuples(st.integers(0, len(costs)), st.sampled_from([0.5, 1, 2, 3, 7.5, 10]))
    chosen = draw(st.lists(apps, min_size=1, max_size=most))
    return costs, [cut for cut, _ in chosen], [fps for _, fps in chosen]


def cost_layer_by_layer(costs: Sequence[float], cuts: Sequence[int], fps: Sequence[float]) -> float:
    """How often each layer runs per second, and what that costs."""
    total = 0.0
    for layer, cost in enumerate(costs):
        shared = [rate for cut, rate in zip(cuts, fps, strict=True) if cut > layer]
        own = [rate for cut, rate in zip(cuts, fps, strict=True) if cut <= layer]
        total += cost * (max(shared, default=0.0) + sum(own))
    return total


def test_a_case_worked_by_hand() -> None:
    cuts, fps = [1, 3, 3], [10, 2, 5]
    np.testing.assert_allclose(branch_cost(COSTS, cuts, fps), [60, 2, 5])
    np.testing.assert_allclose(stem_rates(4, cuts, fps), [10, 5, 5, 0])
    assert stem_cost(COSTS, cuts, fps) == pytest.approx(40 + 15 + 10)
    assert plan_cost(COSTS, cuts, fps) == pytest.approx(132)
    # layer 0 at 2, 5, 10 fps: 2/3 each, then 3/2 each of two, then 5 alone; layers 1 and 2 at 2 and 5 fps
    np.testing.assert_allclose(
        cost_shares(COSTS, cuts, fps),
        [60 + 4 * (2 / 3 + 1.5 + 5), 2 + 4 * 2 / 3 + 5 * 1, 5 + 4 * (2 / 3 + 1.5) + 5 * (1 + 3)],
    )


@settings(deadline=None)
@given(schedules())
def test_cost_is_that_of_every_layer_at_its_rate(schedule: tuple[list[float], list[int], list[float]]) -> None:
    assert plan_cost(*schedule) == pytest.approx(cost_layer_by_layer(*schedule))


@settings(deadline=None)
@given(schedules())
def test_segments_cost_what_the_plan_costs(schedule: tuple[list[float], list[int], list[float]]) -> None:
    costs, cuts, fps = schedule
    found = segments(*pair(cuts, fps, costs))
    assert sum(segment.cost for segment in found) == pytest.approx(plan_cost(costs, cuts, fps))
    for segment in found:
        assert segment.cost == pytest.approx(segment.fps * sum(costs[segment.start : segment.end]))


@settings(deadline=None)
@given(schedules())
def test_every_app_goes_through_every_layer_once(schedule: tuple[list[float], list[int], list[float]]) -> None:
    costs, cuts, fps = schedule
    found = segments(*pair(cuts, fps, costs))
    for number, (cut, rate) in enumerate(zip(cuts, fps, strict=True)):
        used = [segment for segment in found if f"app-{number}" in segment.apps]
        assert [layer for segment in used for layer in range(segment.start, segment.end)] == list(range(len(costs)))
        assert all((segment.own is None) == (segment.end <= cut) for segment in used if segment.start < segment.end)
        assert used[-1].own == f"app-{number}"
        assert used[-1].fps == rate
        assert all(segment.fps >= rate for segment in used)  # or the app would starve


@settings(deadline=None)
@given(schedules())
def test_shares_sum_to_the_cost(schedule: tuple[list[float], list[int], list[float]]) -> None:
    shares = cost_shares(*schedule)
    assert shares.sum() == pytest.approx(plan_cost(*schedule))
    own = branch_cost(*schedule)
    assert (shares >= own - 1e-9).all()


@settings(deadline=None)
@given(schedules(most=4))
def test_shares_are_the_shapley_value(schedule: tuple[list[float], list[int], list[float]]) -> None:
    costs, cuts, fps = schedule
    value = np.zeros(len(cuts))
    for order in permutations(range(len(cuts))):
        before = 0.0
        for place, number in enumerate(order, 1):
            group = order[:place]
            after = cost_layer_by_layer(costs, [cuts[one] for one in group], [fps[one] for one in group])
            value[number] += (after - before) / factorial(len(cuts))
            before = after
    np.testing.assert_allclose(cost_shares(costs, cuts, fps), value, atol=1e-9)


def test_a_plan_of_no_apps_costs_nothing() -> None:
    assert plan_cost(COSTS, [], []) == 0
    assert cost_shares(COSTS, [], []).shape == (0,)


@pytest.mark.parametrize("wrong", [-1, 5])
def test_a_cut_outside_the_layers_is_refused(wrong: int) -> None:
    for function in (branch_cost, stem_cost, plan_cost, cost_shares):
        with pytest.raises(SettingsError, match=f"frozen is {wrong}: must be 0 to 4"):
            function(COSTS, [0, wrong], [1, 1])


def test_cuts_and_rates_must_be_of_the_same_apps() -> None:
    with pytest.raises(SettingsError, match=r"frozen is \[2\] and fps is \[1\]"):
        plan_cost(COSTS, [0, 1], [1])


def test_a_tree_worked_by_hand() -> None:
    tree = grow(*pair([1, 3, 3, 0], [10, 2, 5, 1], COSTS))
    assert tree.layers == 4
    assert tree.stem == (
        Segment(0, 1, 10, ("app-0", "app-1", "app-2"), None, 40),
        Segment(1, 3, 5, ("app-1", "app-2"), None, 25),
    )
    assert [(branch.frozen, [app.name for app in branch.apps]) for branch in tree.branches] == [
        (0, ["app-3"]),
        (1, ["app-0"]),
        (3, ["app-1", "app-2"]),
    ]
    assert tree.branches[2].segments == (
        Segment(3, 4, 2, ("app-1",), "app-1", 2),
        Segment(3, 4, 5, ("app-2",), "app-2", 5),
    )


def test_the_stem_runs_at_the_rate_of_apps_that_branch_at_its_end() -> None:
    """The published code took the rate of the deeper apps only, which starves a faster one that branches there."""
    stem = grow(*pair([2, 4], [10, 1], COSTS)).stem
    assert [segment.fps for segment in stem] == [10, 1]


def test_apps_on_the_deepest_cut_share_what_leads_to_it() -> None:
    """The published code gave each a copy of its own when another app branched before."""
    stem = grow(*pair([1, 3, 3], [1, 4, 2], COSTS)).stem
    assert [(segment.start, segment.end, segment.fps) for segment in stem] == [(0, 1, 4), (1, 3, 4)]
    assert stem[1].apps == ("app-1", "app-2")


def test_the_part_of_a_stem_for_one_app_is_marked() -> None:
    stem = grow(*pair([1, 3], [1, 4], COSTS)).stem
    assert [(segment.shared, segment.own) for segment in stem] == [(True, None), (False, None)]


def test_nothing_is_shared_by_apps_that_leave_at_the_input() -> None:
    tree = grow(*pair([0, 0], [1, 4], COSTS))
    assert tree.stem == ()
    assert [segment.cost for segment in tree.branches[0].segments] == [10, 40]


def test_an_app_that_shares_everything_has_an_own_part_of_no_layers() -> None:
    assert segments(*pair([4], [3], COSTS)) == (
        Segment(0, 4, 3, ("app-0",), None, 30),
        Segment(4, 4, 3, ("app-0",), "app-0", 0),
    )


def test_a_plan_of_another_workload_is_refused() -> None:
    workload, _ = pair([1], [1], COSTS)
    with pytest.raises(SettingsError, match="app 'app-1' of the plan is not in the workload"):
        grow(workload, pair([1, 1], [1, 1], COSTS)[1])
    with pytest.raises(SettingsError, match="'app-0' of the plan has 5 frozen layers and the workload 4"):
        segments(workload, pair([5], [1], [1.0] * 6)[1])


def test_pictures_are_paid_once_at_the_highest_rate() -> None:
    workload, plan = pair((0, 2, 4), (2, 5, 1))
    pictured = workload.model_copy(update={"picture_cost": 3.0})
    first, *others = segments(pictured, plan)
    assert first == Segment(0, 0, 5.0, ("app-0", "app-1", "app-2"), None, 15.0)
    assert tuple(others) == segments(workload, plan)
    assert total_cost(pictured, plan.apps) == total_cost(workload, plan.apps) + 15
    # 1 fps by three apps, the next by two, the last three by the fastest alone
    extra = total_shares(pictured, plan.apps) - total_shares(workload, plan.apps)
    np.testing.assert_allclose(extra, [3 * (1 / 3 + 1 / 2), 3 * (1 / 3 + 1 / 2 + 3), 3 / 3])
