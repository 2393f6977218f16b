"""The bound of a fleet against the best that all its budgets together could carry."""

import itertools

import pytest

from rheostat.share.placement.kinds import Frontiers, fleet_bound
from tests.share.placement.toys import a_workload, best_on_a_node, weight_of

KINDS = [a_workload(seed, apps=2) for seed in range(3)]
CAMERAS = [KINDS[0], KINDS[0], KINDS[1], KINDS[2]]
LOOSE = 0.05  # of mean F1: how far a price may be from the best plans, on so small a fleet
LEAST = 10.5  # cost of the cheapest plan of each camera


@pytest.mark.parametrize("capacity", [4 * LEAST, 50.0, 70.0, 120.0, 1e4])
def test_nothing_that_carries_every_camera_exceeds_the_bound_and_it_is_near(capacity: float) -> None:
    known = Frontiers()
    bound, _ = fleet_bound([known.of(task, (0, 1)) for task in CAMERAS], capacity, all_carried=True)
    best = best_on_a_node(CAMERAS, capacity)
    assert best - 1e-6 <= bound <= best + LOOSE * sum(map(weight_of, CAMERAS))


@pytest.mark.parametrize("capacity", [1.2 * LEAST, 2.2 * LEAST, 30.0, 70.0])
def test_nothing_that_leaves_some_out_exceeds_the_bound_that_allows_for_it(capacity: float) -> None:
    known = Frontiers()
    bound, _ = fleet_bound([known.of(task, (0, 1)) for task in CAMERAS], capacity, all_carried=False)
    chosen = (some for number in range(1, 5) for some in itertools.combinations(CAMERAS, number))
    best = max(best_on_a_node(some, capacity) for some in chosen)
    assert best - 1e-6 <= bound <= sum(map(weight_of, CAMERAS))


def test_workloads_that_differ_in_names_alone_are_of_one_kind() -> None:
    known, task = Frontiers(), KINDS[0]
    renamed = task.model_copy(
        update={"apps": tuple(app.model_copy(update={"name": f"{app.name}!"}) for app in task.apps), "budget": 3.0}
    )
    assert known.of(task, (0, 1)) is known.of(renamed, (0, 1))
    assert known.of(task, (0, 1)) is not known.of(KINDS[1], (0, 1))
    assert known.of(task, (0,)) is not known.of(task, (1,))
