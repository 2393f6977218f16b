"""The budget falls to what is carried, and rises again when there is room."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest

from rheostat.errors import SettingsError
from rheostat.share.node.governor import LONGEST_WAIT, Budget, Window, moved, within


def windows(budget: Budget, capacity: Callable[[int], float], number: int) -> Iterator[tuple[Budget, float]]:
    """A node whose plans cost all they may, and that carries `capacity`: the budget and the share that was lost."""
    for at in range(number):
        carried = min(1.0, capacity(at) / budget.now)
        budget = moved(budget, Window(1000, round(1000 * carried), budget.now))
        yield budget, 1 - carried


def test_what_cannot_be_carried_is_given_up_at_once() -> None:
    budget = moved(Budget(200.0, 200.0), Window(1000, 600, 180.0))
    assert (budget.now, budget.state) == (pytest.approx(108.0), "behind")


def test_a_fall_is_at_most_to_half_and_never_below_the_cheapest_plan() -> None:
    assert moved(Budget(200.0, 200.0), Window(1000, 10, 200.0)).now == 100.0
    assert moved(Budget(200.0, 200.0, floor=120.0), Window(1000, 10, 200.0)).now == 120.0


def test_a_budget_that_was_not_spent_is_not_what_was_too_much() -> None:
    assert moved(Budget(1000.0, 1000.0), Window(1000, 800, 50.0)).now == pytest.approx(40.0)


def test_nothing_due_tells_nothing() -> None:
    budget = Budget(100.0, 200.0)
    assert moved(budget, Window(0, 0, 100.0)) is budget


def test_jitter_is_no_load() -> None:
    assert moved(Budget(200.0, 200.0), Window(1000, 960, 200.0)).now == 200.0


def test_twice_the_load_settles_below_what_is_carried_and_is_rarely_probed() -> None:
    seen = list(windows(Budget(200.0, 200.0), lambda at: 100.0, 400))
    late = seen[200:]
    assert all(80 <= budget.now <= 116 for budget, _ in late)
    assert sum(lost for _, lost in late) / len(late) < 0.005
    assert sum(budget.state == "behind" and budget.calm == 0 for budget, _ in late) <= 200 / LONGEST_WAIT + 1


def test_room_that_returns_is_used() -> None:
    seen = list(windows(Budget(200.0, 200.0), lambda at: 100.0 if at < 50 else 1000.0, 150))
    assert seen[49][0].now < 120
    assert seen[-1][0].now == 200.0
    assert seen[-1][0].state == "steady"


def test_rises_follow_each_other_quickly_while_they_are_carried() -> None:
    budget = Budget(10.0, 100.0, wait=LONGEST_WAIT)
    needed = next(at for at, (now, _) in enumerate(windows(budget, lambda at: 1000.0, 500)) if now.now == 100.0)
    assert LONGEST_WAIT <= needed <= 2 * LONGEST_WAIT


def test_the_operator_moves_the_ceiling_and_apps_the_floor() -> None:
    assert within(Budget(100.0, 100.0), floor=10.0, ceiling=300.0).now == 300.0  # it was at the top, and stays there
    assert within(Budget(60.0, 100.0, state="behind"), floor=10.0, ceiling=300.0).now == 60.0
    assert within(Budget(60.0, 100.0), floor=80.0).now == 80.0
    assert within(Budget(60.0, 100.0), floor=10.0, ceiling=50.0).now == 50.0
    with pytest.raises(SettingsError, match=r"budget is 70 core-ms per second: must be at least 80\.0, the cost of"):
        within(Budget(60.0, 100.0), floor=80.0, ceiling=70.0)


def test_a_floor_above_what_is_allowed_leaves_what_is_allowed() -> None:
    dear = Budget(120.0, 100.0, floor=120.0)
    assert moved(dear, Window(1000, 1000, 120.0)).now == 120.0
    assert moved(dear, Window(1000, 100, 120.0)).now == 120.0
    fewer = within(dear, floor=110.0)  # an app went
    assert (fewer.now, fewer.ceiling) == (110.0, 100.0)
    assert within(fewer, floor=60.0).now == 100.0
    with pytest.raises(SettingsError, match=r"budget is 100 core-ms per second: must be at least 130\.0"):
        within(dear, floor=130.0)


def test_a_budget_outside_its_range_is_refused() -> None:
    with pytest.raises(SettingsError, match="budget is 5: must be 10, the cost of the cheapest plan, to 20"):
        Budget(5.0, 20.0, floor=10.0)


def test_a_capacity_that_varies_a_little_moves_the_budget_now_and_then_only() -> None:
    rng = np.random.default_rng(0)
    seen = list(windows(Budget(200.0, 200.0), lambda at: 100.0 * rng.uniform(0.9, 1.1), 600))
    late = [budget.now for budget, _ in seen[100:]]
    assert sum(one != other for one, other in pairwise(late)) <= len(late) / 20
    assert min(late) > 80
