"""The two searches, on the ways that only hard instances take: a price per branch, chunks, floors without a beam."""

from types import SimpleNamespace

import numpy as np
import pytest

from rheostat.share.scheduler import exact, knapsack, stems
from rheostat.share.scheduler.exact import Clock, best_minimum, best_sum, cheapest
from rheostat.share.scheduler.stems import Grid, PricedGrid
from tests.share.scheduler.oracle import a_grid, choices_of_grid

SEEDS = range(5)
BUDGETS = (3.0, 6.0, 12.0)
WAYS = {
    "as it is": {},
    "a price per branch": {"FEW_CELLS": 1},
    "chunks": {"FEW_CELLS": 1, "REPRICED": 0},
    "tiny chunks": {"FEW_CELLS": 1, "REPRICED": 0, "CELLS": 1},
    "no good first plan": {"WIDTH": 1, "BATCH": 1, "FEW_CELLS": 6},
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in WAYS[request.param].items():
        monkeypatch.setattr(exact, name, value)
        if name == "CELLS":
            monkeypatch.setattr(stems, name, value)
    return request.param


def priced_plans(grid: Grid) -> list[tuple[float, float, float]]:
    """Cost, sum and least value of every plan."""
    return [(grid.cost_of(c), grid.value_of(c), grid.least_of(c)) for c in choices_of_grid(grid)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_largest_sum_is_found_on_every_way(seed: int, way: str) -> None:
    grid = a_grid(seed)
    plans = priced_plans(grid)
    for budget in BUDGETS:
        best = max((total for cost, total, _ in plans if cost <= budget + 1e-9), default=-np.inf)
        found = best_sum(grid, budget, Clock())
        assert found.value == pytest.approx(best, rel=0, abs=exact.TOLERANCE + 1e-9)
        if found.choice is not None:
            assert grid.cost_of(found.choice) <= budget + 1e-9
            assert grid.value_of(found.choice) == found.value
            assert found.value <= found.bound <= found.value + exact.TOLERANCE + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_the_largest_minimum_is_found_on_every_way(seed: int, way: str) -> None:
    grid = a_grid(seed)
    plans = priced_plans(grid)
    for budget in BUDGETS:
        best = max((least for cost, _, least in plans if cost <= budget + 1e-9), default=-np.inf)
        found = best_minimum(grid, budget, Clock())
        assert found.value == best
        assert found.bound == best
        if found.choice is not None:
            assert grid.cost_of(found.choice) <= budget + 1e-9
            assert grid.least_of(found.choice) == best


def test_the_first_guess_ends_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    beams: list[int] = []
    beam = PricedGrid.beam
    monkeypatch.setattr(PricedGrid, "beam", lambda self, *args: beams.append(1) or beam(self, *args))
    best_sum(a_grid(2), 12.0, Countdown(0))
    assert len(beams) == 1


class Countdown(Clock):
    """Over after so many questions."""

    def __init__(self, asked: int) -> None:
        super().__init__()
        self.left = asked

    def over(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("seed", range(5))
def test_on_every_way_the_bound_is_true_whenever_the_time_is_over(seed: int, way: str) -> None:
    grid = a_grid(seed)
    plans = priced_plans(grid)
    budget = 1.5 * min(cost for cost, _, _ in plans)
    best, least = (max(plan[of] for plan in plans if plan[0] <= budget) for of in (1, 2))
    for asked in range(0, 24, 2):
        found = best_sum(grid, budget, Countdown(asked))
        assert found.value - 1e-12 <= best <= found.bound + 1e-9
    for asked in range(6):
        found = best_minimum(grid, budget, Countdown(asked))
        assert found.value <= least <= found.bound


@pytest.mark.parametrize("seed", range(5))
def test_what_a_proof_leaves_untried_is_bounded_on_every_way(seed: int, way: str) -> None:
    """From the cheapest plan on, so that much is still to be found when the time is over."""
    grid = a_grid(seed)
    plans = priced_plans(grid)
    budget = 1.5 * min(cost for cost, _, _ in plans)
    best = max(value for cost, value, _ in plans if cost <= budget)
    for asked in (*range(8), 12, 16, 20, 30, 10**6):
        search = exact._SumSearch(grid, budget, Countdown(asked), margin=1e-9)
        search.offer_if_fits(cheapest(grid))
        left = search.prove(exact.NOTHING, 0.05)
        assert max(search.found.value, left) >= best - 1e-9
    assert left <= search.found.value + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_a_start_does_not_change_what_is_found(seed: int, way: str) -> None:
    grid = a_grid(seed)
    plans = choices_of_grid(grid)
    start = plans[np.random.default_rng(seed).integers(len(plans))]
    for budget in BUDGETS:
        cold, warm = best_sum(grid, budget, Clock()), best_sum(grid, budget, Clock(), start=start)
        assert warm.value == pytest.approx(cold.value, rel=0, abs=1e-9)
        assert warm.bound <= cold.bound + 1e-9
        assert best_minimum(grid, budget, Clock(), start=start).value == best_minimum(grid, budget, Clock()).value


def test_the_ways_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the tests above do go where they say."""
    taken: list[str] = []
    for name in ("search", "extend"):
        original = getattr(PricedGrid, name)

        def spy(self: PricedGrid, *args: object, name: str = name, original: object = original) -> object:
            taken.append(name)
            return original(self, *args)  # type: ignore[operator]

        monkeypatch.setattr(PricedGrid, name, spy)
    guessed: list[int] = []
    guess = exact._SumSearch.guess
    monkeypatch.setattr(
        exact._SumSearch, "guess", lambda self, prefix: guessed.append(prefix.size) or guess(self, prefix)
    )
    monkeypatch.setattr(exact, "FEW_CELLS", 1)
    for seed in SEEDS:
        best_sum(a_grid(seed), 4.0, Clock())
    assert {0, 1} <= set(guessed)  # the empty prefix, and branches of it
    assert max(guessed) <= exact.REPRICED
    taken.clear()
    monkeypatch.setattr(exact, "REPRICED", 0)
    for seed in SEEDS:
        best_sum(a_grid(seed), 4.0, Clock())
    assert "search" in taken


def test_dropped_states_leave_a_bound_that_is_true(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room for the partial plans the best may be lost, but never the truth about it."""
    monkeypatch.setattr(knapsack, "STATES", 1)
    for seed in range(6):
        grid = a_grid(seed)
        plans = priced_plans(grid)
        for budget in BUDGETS:
            best = max((value for cost, value, _ in plans if cost <= budget + 1e-9), default=-np.inf)
            if np.isfinite(best):
                search = exact._SumSearch(grid, budget, Clock(), margin=1e-9)
                search.offer_if_fits(cheapest(grid))
                left = search.prove(exact.NOTHING, 0.05)
                assert search.found.value - 1e-12 <= best <= max(search.found.value, left) + 1e-9
                found = best_sum(grid, budget, Clock())
                assert found.value - 1e-12 <= best <= found.bound + 1e-9


def test_what_a_fill_missed_reaches_the_end_on_every_way(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fills that find nothing and say that they missed a plan worth 99."""
    monkeypatch.setattr(exact, "round_down", lambda *args: None)
    monkeypatch.setattr(exact, "fill", lambda *args: knapsack.Filled(None, 99.0))
    for seed in range(5):
        search = exact._SumSearch(a_grid(seed), 12.0, Clock(), margin=1e-9)
        search.offer_if_fits(cheapest(search.grid))
        assert search.prove(exact.NOTHING, 0.05) == 99.0


@pytest.mark.parametrize("seed", range(20))
def test_the_least_cost_is_that_of_the_cheapest_plan(seed: int) -> None:
    grid = a_grid(seed)
    assert grid.cost_of(cheapest(grid)) == pytest.approx(min(cost for cost, _, _ in priced_plans(grid)), rel=1e-12)


@pytest.mark.parametrize("gap", [0.02, 0.3])
def test_a_gap_leaves_a_plan_that_is_worse_by_no_more_for_less_work(
    gap: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled: list[int] = []
    fill = exact.fill
    monkeypatch.setattr(exact, "fill", lambda *args: filled.append(1) or fill(*args))
    work = [0, 0]
    for seed in range(10):
        grid = a_grid(seed)
        for budget in BUDGETS:
            proven = best_sum(grid, budget, Clock())
            work[0] += len(filled)
            filled.clear()
            found = best_sum(grid, budget, Clock(), gap=gap)
            work[1] += len(filled)
            filled.clear()
            if proven.choice is not None:
                assert proven.value - gap - 1e-9 <= found.value <= proven.value + 1e-9
                assert proven.value - 1e-9 <= found.bound <= found.value + gap + 1e-9
    assert work[1] < work[0]


def test_a_clock_is_over_from_its_limit_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(exact, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    clock, endless = Clock(5.0), Clock()
    assert (clock.seconds, clock.over(), endless.over()) == (0.0, False, False)
    now[0] = 104.9
    assert not clock.over()
    now[0] = 105.0
    assert (clock.seconds, clock.over()) == (5.0, True)
    now[0] = 1e9
    assert not endless.over()
