"""The search over stems: its bounds are above every plan, and it leaves no stem out that could hold one."""

import itertools

import numpy as np
import pytest

from rheostat.share.scheduler import stems
from rheostat.share.scheduler.stems import Grid, Prefixes, PricedGrid, spread
from rheostat.share.tree import plan_cost
from tests.share.scheduler.oracle import a_grid, choices_of_grid

PRICES = (0.0, 0.02, 0.1, 0.5)
BUDGET = 6.0
NOTHING = np.zeros(0, np.int16)
SEEDS = range(6)


def all_stems(grid: Grid) -> list[tuple[int, ...]]:
    """Every way to give the segments a number of rates that never rises."""
    levels = range(grid.rates.size, -1, -1)
    return list(itertools.combinations_with_replacement(levels, grid.segment.size))


def bounds_of(prefixes: Prefixes) -> dict[tuple[int, ...], float]:
    return {tuple(map(int, row)): float(bound) for row, bound in zip(prefixes.levels, prefixes.bound, strict=True)}


def every_prefix(priced: PricedGrid) -> dict[tuple[int, ...], float]:
    """The bounds of all prefixes, from the empty one to the whole stems, by `extend`."""
    prefixes = priced.prefix(NOTHING)
    found = bounds_of(prefixes)
    for _ in range(priced.grid.segment.size):
        prefixes = priced.extend(prefixes, -1e9)
        found |= bounds_of(prefixes)
    return found


def worth_at(priced: PricedGrid, choice: np.ndarray) -> float:
    """What a plan is worth at the price: its value if it costs the budget, and more the less it costs."""
    return priced.grid.value_of(choice) + priced.lam * (priced.budget - priced.grid.cost_of(choice))


def test_a_grid_prices_plans_as_the_tree_does() -> None:
    grid = a_grid(1)
    layer_cost = [*grid.segment, grid.tail[-1]]
    for choice in choices_of_grid(grid):
        point, rate = np.divmod(choice, grid.rates.size)
        assert grid.cost_of(choice) == pytest.approx(plan_cost(layer_cost, point, grid.rates[rate]), rel=1e-12)
        values = [grid.value[app, k, r] for app, (k, r) in enumerate(zip(point, rate, strict=True))]
        assert grid.value_of(choice) == pytest.approx(sum(values), rel=1e-12)
        assert grid.least_of(choice) == min(values)


def test_a_stem_carries_what_branches_within_it_at_its_rates_or_below() -> None:
    grid = a_grid(2)
    stem = np.array([[3, 1, 0]])
    carried = [(k, r) for k, r in itertools.product(range(4), range(3)) if r < [3, 3, 1, 0][k]]
    assert {(int(k), int(r)) for k, r in np.argwhere(grid.offered(stem)[0])} == set(carried)


def test_the_smallest_stem_carries_the_plan_and_no_smaller_one_does() -> None:
    grid = a_grid(3)
    for choice in choices_of_grid(grid)[::7]:
        stem = tuple(grid.stem_of(choice)[0])
        point, rate = np.divmod(choice, grid.rates.size)
        carrying = [s for s in all_stems(grid) if grid.offered(np.array([s]))[0, point, rate].all()]
        assert stem in carrying
        assert all((np.array(stem) <= np.array(other)).all() for other in carrying)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_prefix_has_a_bound_below_a_plan_that_begins_so(seed: int) -> None:
    grid = a_grid(seed)
    plans = choices_of_grid(grid)
    for price in PRICES:
        priced = PricedGrid(grid, BUDGET, price)
        bounds = every_prefix(priced)
        for choice in plans:
            stem = tuple(map(int, grid.stem_of(choice)[0]))
            worth = worth_at(priced, choice)
            for length in range(len(stem) + 1):
                assert bounds[stem[:length]] >= worth - 1e-12
            for length in range(len(stem) + 1):  # begun in the middle, as after a price of its own
                assert priced.prefix(np.array(stem[:length], np.int16)).bound[0] >= worth - 1e-12


@pytest.mark.parametrize("seed", SEEDS)
def test_the_bound_of_a_whole_stem_is_met_where_the_best_choices_fill_it(seed: int) -> None:
    grid = a_grid(seed)
    met = 0
    for price in PRICES:
        priced = PricedGrid(grid, BUDGET, price)
        for stem, bound in every_prefix(priced).items():
            if len(stem) < grid.segment.size or not np.isfinite(bound):
                continue
            choice = priced.choices(np.array(stem))
            assert (
                bound <= worth_at(priced, choice) + price * BUDGET
            )  # what is not used of the stem is paid all the same
            if tuple(grid.stem_of(choice)[0]) == stem:
                assert bound == pytest.approx(worth_at(priced, choice), rel=0, abs=1e-12)
                met += 1
    assert met


@pytest.mark.parametrize("seed", SEEDS)
def test_every_corner_of_a_whole_stem_takes_the_least_regret_from_its_bound(seed: int) -> None:
    """Also the corner at its end. Written out for each stem from what its choices gain at the price."""
    grid = a_grid(seed)
    lowered = 0
    for price in PRICES:
        priced = PricedGrid(grid, BUDGET, price)
        bounds = every_prefix(priced)
        for stem in all_stems(grid):
            levels = np.array(stem)[None]
            gain = np.where(grid.offered(levels), grid.value - price * grid.own_cost, -np.inf)
            best = gain.max(axis=(1, 2))
            if not np.isfinite(best).all():
                continue
            corners = [k for k, (level, after) in enumerate(itertools.pairwise([*stem, 0]), 1) if level > after]
            regret = sum((best - gain[:, k, stem[k - 1] - 1]).min() for k in corners)
            bound = best.sum() + price * (BUDGET - grid.stem_cost(levels)[0]) - regret
            assert bounds.get(stem, -np.inf) == (
                -np.inf if np.isinf(regret) else pytest.approx(bound, rel=0, abs=1e-12)
            )
            lowered += regret > 0
    assert lowered


@pytest.mark.parametrize("seed", SEEDS)
def test_the_rest_of_the_stem_is_paid_in_advance(seed: int) -> None:
    """A prefix from which every app has to go on is bounded with the stem that each of them needs, shared by all."""
    grid = a_grid(seed, apps=2)
    value = grid.value.copy()
    value[:, :-1] = -np.inf
    value[:, -1] = 1.0
    grid = grid._replace(value=value)
    priced = PricedGrid(grid, BUDGET, 0.1)
    best = max(worth_at(priced, choice) for choice in choices_of_grid(grid))
    assert priced.prefix(NOTHING).bound[0] == pytest.approx(best, rel=0, abs=1e-12)


def reaching(priced: PricedGrid, threshold: float) -> set[tuple[int, ...]]:
    """Smallest stems of the plans that are worth the threshold: the ones that no search may leave out."""
    plans = choices_of_grid(priced.grid)
    return {tuple(map(int, priced.grid.stem_of(c)[0])) for c in plans if worth_at(priced, c) >= threshold + 1e-12}


def most_at_once(priced: PricedGrid, threshold: float) -> int:
    """Of the prefixes that reach the threshold, at the segment where they are most."""
    prefixes, most = priced.prefix(NOTHING), 0
    for _ in range(priced.grid.segment.size):
        prefixes = priced.extend(prefixes, threshold)
        most = max(most, prefixes.bound.size)
    return most


@pytest.mark.parametrize("seed", SEEDS)
def test_narrow_keeps_every_stem_of_a_plan_that_reaches_the_threshold(seed: int) -> None:
    grid = a_grid(seed)
    priced = PricedGrid(grid, BUDGET, 0.1)
    start = priced.prefix(NOTHING)
    for part in (0.5, 0.8, 0.95, 1.0):
        threshold = part * float(start.bound[0])
        kept = priced.narrow(start, threshold, 10_000)
        assert kept is not None
        assert reaching(priced, threshold) <= bounds_of(kept).keys()
        assert (kept.bound >= threshold).all()
        widest = most_at_once(priced, threshold)
        assert priced.narrow(start, threshold, widest) is not None
        assert priced.narrow(start, threshold, widest - 1) is None


@pytest.mark.parametrize("cells", [1, 30, 10_000])
@pytest.mark.parametrize("seed", SEEDS)
def test_search_yields_what_narrow_keeps_however_little_fits_a_table(
    seed: int, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stems, "CELLS", cells)
    priced = PricedGrid(a_grid(seed), BUDGET, 0.1)
    start = priced.prefix(NOTHING)
    threshold = 0.7 * float(start.bound[0])
    kept = priced.narrow(start, threshold, 10_000)
    assert kept is not None
    steps = [(bounds_of(found), ahead) for found, ahead in priced.search(start, lambda: threshold)]
    together = [item for found, _ in steps for item in found.items()]
    assert len(together) == len(dict(together))  # none twice
    assert dict(together) == pytest.approx(bounds_of(kept), rel=0, abs=1e-12)
    for at, (_, ahead) in enumerate(steps):
        assert (
            ahead >= max((bound for found, _ in steps[at + 1 :] for bound in found.values()), default=-np.inf) - 1e-12
        )
    assert steps[-1][1] == -np.inf


def test_search_leaves_out_what_falls_below_a_threshold_that_rises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stems, "CELLS", 1)
    priced = PricedGrid(a_grid(5), BUDGET, 0.1)
    best = [-1e9]
    yielded = 0
    for found, _ in priced.search(priced.prefix(NOTHING), lambda: best[0]):
        assert (found.bound >= best[0]).all()
        best[0] = max(best[0], float(found.bound.max(initial=-np.inf)))
        yielded += found.bound.size
    kept = priced.narrow(priced.prefix(NOTHING), -1e9, 10_000)
    assert kept is not None
    assert best[0] == pytest.approx(float(kept.bound.max()), rel=0, abs=1e-12)
    assert 0 < yielded < kept.bound.size


@pytest.mark.parametrize("seed", SEEDS)
def test_a_beam_wide_enough_finds_the_best_stem_and_a_narrow_one_a_stem(seed: int) -> None:
    priced = PricedGrid(a_grid(seed), BUDGET, 0.1)
    start = priced.prefix(NOTHING)
    kept = priced.narrow(start, -1e9, 10_000)
    assert kept is not None
    assert priced.beam(start, 10_000).bound.max() == pytest.approx(kept.bound.max(), rel=0, abs=1e-12)
    narrow = priced.beam(start, 2)
    assert 1 <= len(narrow.levels) <= 2
    assert bounds_of(narrow).keys() <= set(all_stems(priced.grid))


def test_spread_numbers_children_by_parent() -> None:
    parent, place = spread(np.array([2, 0, 3]))
    assert parent.tolist() == [0, 0, 2, 2, 2]
    assert place.tolist() == [0, 1, 0, 1, 2]
    assert spread(np.array([0, 0]))[0].size == 0
