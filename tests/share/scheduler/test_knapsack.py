"""The best choices on given stems, against every plan that the stems carry."""

import numpy as np
import pytest

from rheostat.share.scheduler import knapsack
from rheostat.share.scheduler.knapsack import dual_prices, fill, round_down, undominated
from rheostat.share.scheduler.stems import Grid
from tests.share.scheduler.oracle import a_grid, choices_of_grid

SEEDS = range(6)
STEMS = np.array([[3, 3, 2], [3, 1, 0], [2, 2, 1], [0, 0, 0], [1, 1, 1]], np.int16)
BUDGETS = (3.0, 6.0, 12.0)


def stems_of(grid: Grid) -> np.ndarray:
    """Those of the stems that carry something for every app, as `fill` asks for."""
    on_offer = np.isfinite(grid.value) & grid.offered(STEMS)[:, None]
    return STEMS[on_offer.any(axis=(2, 3)).all(axis=1)]


def on_stem(grid: Grid, levels: np.ndarray, budget: float) -> list[np.ndarray]:
    """Plans that one stem carries and that fit the budget together with all of it."""
    carried = grid.offered(levels[None])[0].ravel()
    left = budget - grid.stem_cost(levels[None])[0]
    own = grid.own_cost.ravel()
    return [c for c in choices_of_grid(grid) if carried[c].all() and own[c].sum() <= left + 1e-9]


def best_on(grid: Grid, levels: np.ndarray, budget: float) -> float:
    return max((grid.value_of(choice) for choice in on_stem(grid, levels, budget)), default=-np.inf)


def bound_at(grid: Grid, levels: np.ndarray, budget: float, price: float) -> float:
    """The bound of a stem, from its definition."""
    gain = np.where(grid.offered(levels[None])[0], grid.value - price * grid.own_cost, -np.inf)
    return float(gain.max(axis=(1, 2)).sum() + price * (budget - grid.stem_cost(levels[None])[0]))


def fill_all(grid: Grid, budget: float, threshold: float, price: float = 0.1) -> knapsack.Filled:
    levels = stems_of(grid)
    return fill(grid, budget, levels, np.full(len(levels), price), threshold, lambda: False)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("seed", SEEDS)
def test_dual_prices_give_bounds_and_low_ones(seed: int, budget: float) -> None:
    grid = a_grid(seed)
    guess = 0.1
    prices, bounds = dual_prices(grid, budget, STEMS, guess)
    assert (prices > 0).all()
    for levels, price, bound in zip(STEMS, prices, bounds, strict=True):
        assert bound >= best_on(grid, levels, budget) - 1e-12
        exactly = bound_at(grid, levels, budget, price)
        assert bound == exactly or bound == pytest.approx(exactly, rel=0, abs=1e-12)
        if budget > grid.stem_cost(levels[None])[0] and np.isfinite(bound):
            others = [bound_at(grid, levels, budget, p) for p in guess * np.geomspace(1 / 60, 60, 200)]
            assert bound <= min(others) + 0.02


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("seed", SEEDS)
def test_rounding_down_gives_a_plan_that_fits(seed: int, budget: float) -> None:
    grid = a_grid(seed)
    prices, _ = dual_prices(grid, budget, STEMS, 0.1)
    found = round_down(grid, budget, STEMS, prices)
    best = max(best_on(grid, levels, budget) for levels in STEMS)
    if found is None:
        assert best < 0.9 * grid.value.max(axis=(1, 2)).sum()  # an easy one is found
    else:
        assert grid.cost_of(found) <= budget + 1e-9
        assert grid.value_of(found) <= best + 1e-12


def test_rounding_down_spends_what_is_left() -> None:
    """The price says all or nothing for both apps; then the budget still has room for one."""
    value = np.array([[[1.0, 3.0]], [[1.0, 3.0]]])
    grid = Grid(value, np.array([1.0, 2.0]), np.array([2.0]), np.zeros(0))
    found = round_down(grid, 6.5, np.zeros((1, 0), np.int16), np.array([1.01]))
    assert found is not None
    assert grid.value_of(found) == 4.0


@pytest.mark.parametrize("price", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("seed", SEEDS)
def test_fill_finds_the_best_plan_on_any_of_the_stems(seed: int, budget: float, price: float) -> None:
    grid = a_grid(seed)
    best = max(best_on(grid, levels, budget) for levels in STEMS)
    found = fill_all(grid, budget, -1.0, price)
    assert found.missed == -np.inf
    if found.choice is None:
        assert best == -np.inf
        return
    assert grid.value_of(found.choice) == pytest.approx(best, rel=0, abs=1e-12)
    assert any(any((found.choice == c).all() for c in on_stem(grid, levels, budget)) for levels in STEMS)
    again = fill_all(grid, budget, best - 1e-9, price)
    assert again.choice is not None
    assert fill_all(grid, budget, best + 1e-9, price) == (None, -np.inf)


@pytest.mark.parametrize("states", [1, 2, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_dropped_is_reported(seed: int, states: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knapsack, "STATES", states)
    grid = a_grid(seed)
    for budget in BUDGETS:
        best = max(best_on(grid, levels, budget) for levels in STEMS)
        found = fill_all(grid, budget, -1.0)
        value = -np.inf if found.choice is None else grid.value_of(found.choice)
        assert value <= best
        assert max(value, found.missed) >= best - 1e-12


def test_few_states_do_drop_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knapsack, "STATES", 1)
    assert any(fill_all(a_grid(seed), 6.0, -1.0).missed > -np.inf for seed in SEEDS)


@pytest.mark.parametrize("asked", range(4))
def test_a_fill_that_is_ended_reports_what_it_missed(asked: int) -> None:
    grid = a_grid(4)
    best = max(best_on(grid, levels, 6.0) for levels in STEMS)
    times = iter([False] * asked + [True] * 9)
    found = fill(grid, 6.0, stems_of(grid), np.full(len(stems_of(grid)), 0.1), -1.0, lambda: next(times))
    if asked < len(grid.value):
        assert found.choice is None
        assert found.missed >= best
    else:
        assert found.choice is not None
        assert found.missed == -np.inf


def test_states_are_kept_unless_another_of_their_stem_is_no_dearer_and_no_worse() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        stem = np.sort(rng.integers(0, 3, 30))
        cost, value = rng.integers(0, 6, 30) / 2, rng.integers(0, 6, 30) / 3
        kept = undominated(stem, cost, value)
        seen = {(int(stem[i]), float(cost[i]), float(value[i])) for i in range(30)}
        wanted = {
            (s, c, v)
            for s, c, v in seen
            if not any(t == s and d <= c and w >= v and (d, w) != (c, v) for t, d, w in seen)
        }
        assert sorted((int(stem[i]), float(cost[i]), float(value[i])) for i in kept) == sorted(wanted)
