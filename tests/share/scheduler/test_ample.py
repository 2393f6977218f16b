"""Budgets that hardly bind, costs and weights of odd size: where ties and extremes used to keep the search going."""

import json
from pathlib import Path
from typing import Any

import pytest

from rheostat.share import read_workload
from rheostat.share.scheduler import plan

EXAMPLE = json.loads((Path(__file__).parents[3] / "examples" / "six_detectors.json").read_text(encoding="utf-8"))
LIMIT = 20.0  # seconds; each takes tenths of one, and used not to end


def highest(workload: dict[str, Any], objective: str) -> float:
    """The best that there is without a budget: every app planned alone."""
    alone = [plan(workload | {"apps": [app]}, budget=1e9).mean_f1 for app in workload["apps"]]
    return min(alone) if objective == "min" else sum(alone) / len(alone)


@pytest.mark.parametrize("objective", ["mean", "min"])
@pytest.mark.parametrize("budget", [450.0, 535.0, 1e6, 1e12])
def test_a_budget_that_carries_the_best_of_everything(budget: float, objective: str) -> None:
    found = plan(EXAMPLE, budget=budget, objective=objective, time_limit=LIMIT)
    assert found.optimal
    assert (found.min_f1 if objective == "min" else found.mean_f1) == pytest.approx(
        highest(EXAMPLE, objective), abs=1e-9
    )


@pytest.mark.parametrize("share", [0.9, 0.99])
def test_a_budget_just_below_that(share: float) -> None:
    ample = plan(EXAMPLE, budget=1e6)
    found = plan(EXAMPLE, budget=share * ample.cost, time_limit=LIMIT)
    assert found.optimal
    assert ample.mean_f1 - 0.01 < found.mean_f1 <= ample.mean_f1 + 1e-9


@pytest.mark.parametrize("costly", [None, 40])
def test_layers_that_cost_nothing(costly: int | None) -> None:
    """All of them, or all but one."""
    free = EXAMPLE | {"layer_cost": [1.0 if layer == costly else 0.0 for layer in range(85)]}
    found = plan(free, budget=60, time_limit=LIMIT)
    assert found.optimal
    assert found.mean_f1 == pytest.approx(highest(free, "mean"), abs=1e-9)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_units_of_any_size(unit: float) -> None:
    scaled = EXAMPLE | {"layer_cost": [cost * unit for cost in EXAMPLE["layer_cost"]]}
    found = plan(scaled, budget=30 * unit, time_limit=LIMIT)
    assert found.optimal
    assert found.mean_f1 == pytest.approx(plan(EXAMPLE, budget=30).mean_f1, abs=1e-7)


def test_weights_of_any_size() -> None:
    heavy = EXAMPLE | {"apps": [app | {"weight": 1e308} for app in EXAMPLE["apps"]]}
    assert plan(heavy).mean_f1 == pytest.approx(plan(EXAMPLE).mean_f1, abs=1e-7)


def test_an_earlier_plan_may_come_as_its_file_or_its_object(tmp_path: Path) -> None:
    from rheostat.share import write
    from rheostat.share.plan import as_json

    before = plan(EXAMPLE, budget=31)
    write(tmp_path / "plan.json", before)
    expected = plan(EXAMPLE, previous=before).apps
    assert plan(EXAMPLE, previous=as_json(before)).apps == expected
    assert plan(EXAMPLE, previous=tmp_path / "plan.json").apps == expected


def test_gaps_longer_than_can_be_counted_are_long_gaps() -> None:
    rare = {"event_frequency": 1e-300, "event_model": "paper"}
    workload = read_workload(EXAMPLE | {"apps": [app | rare for app in EXAMPLE["apps"]]})
    found = plan(workload)
    assert all(app.precision == pytest.approx(app.recall / (app.recall + 1), abs=1e-6) for app in found.apps)
