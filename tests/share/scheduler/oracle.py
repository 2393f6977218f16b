"""What a scheduler has to find, by looking at every plan; and the small workloads on which that can be done."""

import functools
import itertools
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheostat.share.events import detection
from rheostat.share.plan import App, Plan, Workload, read_workload
from rheostat.share.scheduler.stems import Grid
from rheostat.share.tree import plan_cost

Floats = NDArray[np.float64]

ROUNDING = 1e-9  # costs closer to the budget than this are not asked for: the scheduler allows for rounding there


class AllPlans(NamedTuple):
    """Cost, weighted mean F1 and least F1 of an app of weight > 0, of every plan of a workload."""

    cost: Floats
    mean: Floats
    least: Floats

    def within(self, budget: float) -> "AllPlans":
        fits = self.cost <= budget + ROUNDING
        return AllPlans(self.cost[fits], self.mean[fits], self.least[fits])

    def best_mean(self, budget: float) -> float:
        return float(self.within(budget).mean.max())

    def best_least(self, budget: float) -> tuple[float, float]:
        """The best least F1, and the best mean of the plans that have it."""
        plans = self.within(budget)
        best = plans.least.max()
        return float(best), float(plans.mean[plans.least >= best - 1e-12].max())


def foretold(workload: Workload, app: App, frozen: int, fps: float, votes: int | None) -> tuple[float, float, float]:
    """Recall, precision and F1 of one choice, by the event model itself."""
    point = next(point for point in app.branch_points if point.frozen == frozen)
    assert point.hit is not None
    assert point.false_positive is not None
    found = detection(
        hit=point.hit,
        false_positive=point.false_positive,
        event_seconds=app.event_seconds,
        event_frequency=app.event_frequency,
        correlation=app.correlation_at(fps),
        fps=fps,
        stream_fps=workload.stream_fps,
        votes=votes,
        model=workload.event_model,
    )
    return float(found.recall), float(found.precision), float(found.f1)


def f1_by_choice(workload: Workload, app: App) -> dict[tuple[int, float], float]:
    """Per branch point and rate the F1 at the best of the app's votes."""
    return {
        (point.frozen, fps): max(foretold(workload, app, point.frozen, fps, votes)[2] for votes in app.votes or (None,))
        for point in app.branch_points
        for fps in workload.fps
    }


def all_plans(workload: Workload) -> AllPlans:
    """Every plan: what the formula of `rheostat.share.tree` says it costs, and how good it is."""
    tables = [f1_by_choice(workload, app) for app in workload.apps]
    layer_cost = np.asarray(workload.layer_cost)
    weight = np.array([app.weight for app in workload.apps])
    cost = np.zeros([1] * len(tables))
    for i, table in enumerate(tables):  # own layers
        own = np.array([fps * layer_cost[frozen:].sum() for frozen, fps in table])
        cost = cost + _along(own, i, len(tables))
    for j, of_layer in enumerate(layer_cost):  # the stem: each layer at the highest rate of those that share it
        rates = [np.array([fps if frozen > j else 0.0 for frozen, fps in table]) for table in tables]
        cost = cost + of_layer * functools.reduce(np.maximum.outer, rates)
    every_rate = [np.array([fps for _, fps in table]) for table in tables]  # of pictures, all apps share all of them
    cost = cost + workload.picture_cost * functools.reduce(np.maximum.outer, every_rate)
    f1 = [np.array(list(table.values())) for table in tables]
    mean = functools.reduce(np.add.outer, [w / weight.sum() * v for w, v in zip(weight, f1, strict=True)])
    counted = [v if w > 0 else np.full(v.shape, np.inf) for w, v in zip(weight, f1, strict=True)]
    return AllPlans(cost.ravel(), mean.ravel(), functools.reduce(np.minimum.outer, counted).ravel())


def _along(values: Floats, axis: int, axes: int) -> Floats:
    return values.reshape([-1 if i == axis else 1 for i in range(axes)])


def cost_of(workload: Workload, plan: Plan) -> float:
    """Cost of a plan, whose apps are in the order of the workload."""
    frozen, fps = [app.frozen for app in plan.apps], [app.fps for app in plan.apps]
    return plan_cost(workload.layer_cost, frozen, fps) + workload.picture_cost * max(fps)


def choices_of_grid(grid: Grid) -> list[NDArray[np.intp]]:
    """Every plan of a small grid, as flat indices per app."""
    on_offer = [np.flatnonzero(np.isfinite(value)) for value in grid.value.reshape(len(grid.value), -1)]
    return [np.array(choice) for choice in itertools.product(*on_offer)]


def a_grid(seed: int, apps: int = 3, points: int = 4, rates: int = 3) -> Grid:
    """A random small grid with choices that are not on offer, ties, and a segment that costs nothing."""
    rng = np.random.default_rng(seed)
    value = rng.integers(0, 8, (apps, points, rates)) / 8 + rng.choice([0.0, 0.01], (apps, points, rates))
    away = rng.random((apps, points)) < 0.3
    away[np.arange(apps), rng.integers(0, points, apps)] = False
    segment = rng.choice([0.0, 0.5, 1.0, 2.5], points - 1)
    tail = np.append(np.cumsum(segment[::-1])[::-1], 0.0) + rng.choice([0.0, 0.3])
    return Grid(np.where(away[:, :, None], -np.inf, value), np.cumsum(rng.integers(1, 4, rates)) / 2, tail, segment)


PROBABILITIES = st.sampled_from([0.0, 0.05, 0.3, 0.3, 0.5, 0.7, 0.9, 0.9, 1.0]) | st.floats(0, 1)
RATES = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


@st.composite
def apps_of(draw: st.DrawFn, name: str, layers: int, votes: bool = True) -> dict[str, Any]:
    cuts = draw(st.lists(st.integers(0, layers), min_size=1, max_size=4, unique=True).map(sorted))
    counts = st.none() | st.lists(st.integers(1, 3), min_size=1, max_size=2, unique=True)
    return {
        "name": name,
        "event_seconds": draw(st.sampled_from([0.2, 0.4, 0.4, 1.0])),
        "event_frequency": draw(st.sampled_from([0.1, 0.5, 0.5, 1.0])),
        "correlation": draw(st.sampled_from([0.0, 0.4, 1.0])),
        "weight": draw(st.sampled_from([1.0, 1.0, 2.0, 0.25, 0.0])),
        "votes": draw(counts) if votes else None,
        "branch_points": [
            {"frozen": cut, "hit": draw(PROBABILITIES), "false_positive": draw(PROBABILITIES)} for cut in cuts
        ],
    }


@st.composite
def workloads(draw: st.DrawFn, most: int = 4) -> Workload:
    """1 to `most` apps with branch points of their own, 1 to 4 rates, layers of which some cost nothing."""
    layers = draw(st.lists(st.sampled_from([0.0, 0.3, 1.0, 1.0, 2.0, 4.5]), min_size=1, max_size=5))
    apps = [draw(apps_of(f"app-{number}", len(layers))) for number in range(draw(st.integers(1, most)))]
    if not any(app["weight"] for app in apps):
        apps[0]["weight"] = 1.0
    return read_workload(
        {
            "schema": 1,
            "stream_fps": 10,
            "fps": sorted(draw(st.sets(st.sampled_from(RATES), min_size=1, max_size=4))),
            "layer_cost": layers,
            "picture_cost": draw(st.sampled_from([0.0, 0.0, 0.4, 3.0])),
            "event_model": draw(st.sampled_from(["published", "paper"])),
            "head": draw(st.none() | st.integers(0, len(layers))),
            "apps": apps,
        }
    )


def budgets(plans: AllPlans) -> st.SearchStrategy[float]:
    """From what nothing fits to what everything does, and often exactly what a plan costs."""
    least, most = float(plans.cost.min()), float(plans.cost.max())
    exactly = st.sampled_from(sorted(set(plans.cost[plans.cost > 0].tolist())) or [1.0])
    return exactly | st.floats(0.5 * least + 1e-3, 1.2 * most + 1.0)
