"""What `plan` takes, what it refuses and in which words, and what it does not import."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rheostat.errors import InfeasibleError, SettingsError
from rheostat.share.plan import read_plan, read_workload, write
from rheostat.share.scheduler import least_budget, plan
from tests.share.workloads import app, branch_point, workload

READ = read_workload(workload(budget=50))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"budget": float("nan")}, "budget is nan: must be a number above 0, in the unit of layer_cost"),
        ({"budget": 0}, "budget is 0: must be a number above 0, in the unit of layer_cost"),
        ({"budget": -3.5}, "budget is -3.5: must be a number above 0, in the unit of layer_cost"),
        ({"budget": float("inf")}, "budget is inf: must be a number above 0, in the unit of layer_cost"),
        ({"objective": "meen"}, "unknown objective 'meen': did you mean mean or min? known are mean, min"),
        ({"sharing": "heads"}, "unknown sharing 'heads': did you mean head? known are any, head, max, none"),
        ({"solver": "exakt"}, "unknown solver 'exakt': did you mean exact? known are exact, legacy-greedy"),
        ({"time_limit": 0}, "time_limit is 0: must be above 0 seconds; leave it out to wait for the proof"),
        (
            {"time_limit": float("nan")},
            "time_limit is nan: must be above 0 seconds; leave it out to wait for the proof",
        ),
        ({"gap": 2}, "gap is 2: must be 0 to 1, in F1"),
        ({"gap": -0.1}, "gap is -0.1: must be 0 to 1, in F1"),
        ({"gap": float("nan")}, "gap is nan: must be 0 to 1, in F1"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(options: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        plan(READ, **options)
    assert str(caught.value) == told


def test_a_budget_is_asked_for() -> None:
    with pytest.raises(SettingsError) as caught:
        plan(workload())
    told = "budget is missing: the workload has none, so give one, in the unit of its layer_cost"
    assert str(caught.value) == told


def test_what_does_not_fit_is_told_with_the_budget_that_would_do() -> None:
    """The cheapest: both share four layers, 10 a frame, at one frame per second, and run nothing of their own."""
    with pytest.raises(InfeasibleError) as caught:
        plan(workload(app("a"), app("b")), budget=9.5)
    told = "must be at least 10.0000, the cost of the cheapest plan of 2 apps; raise it, offer lower rates in fps, or"
    assert str(caught.value) == f"budget is 9.5: {told} leave apps out"
    assert caught.value.least == 10.0
    with pytest.raises(InfeasibleError, match=r"must be at least 10\.0001,") as caught:  # rounded up, so that it does
        plan(workload(layer_cost=[4, 3, 2, 1.00002]), budget=9.5)
    assert plan(workload(layer_cost=[4, 3, 2, 1.00002]), budget=caught.value.least).optimal
    with pytest.raises(InfeasibleError, match="the cheapest plan of 1 app;"):
        plan(workload(), budget=9.5)


def test_the_workload_says_what_the_call_does_not() -> None:
    """Budget and objective; and what the call says counts more."""
    points = [branch_point(0, hit=0.9), branch_point(4, hit=0.5)]
    unlike = [app("a", branch_points=points), app("b", branch_points=points, event_seconds=0.05, weight=0.5)]
    read = workload(*unlike, budget=60, objective="min")
    found = plan(read)
    assert (found.budget, found.objective, found.solver, found.sharing) == (60, "min", "exact", "any")
    assert plan(read, budget=30).budget == 30
    mean = plan(read, objective="mean")
    assert mean.objective == "mean"
    assert mean.mean_f1 > found.mean_f1
    assert mean.min_f1 < found.min_f1


def test_a_mapping_a_file_and_a_workload_are_planned_alike(tmp_path: Path) -> None:
    values = workload(budget=50)
    (tmp_path / "w.json").write_text(json.dumps(values))
    plans = [plan(given).apps for given in (values, READ, tmp_path / "w.json", str(tmp_path / "w.json"))]
    assert plans == [plans[0]] * 4


def test_a_plan_is_written_and_read_back_the_same(tmp_path: Path) -> None:
    made = plan(workload(app(votes=[1, 2])), budget=50)
    write(tmp_path / "plan.json", made)
    assert read_plan(tmp_path / "plan.json") == made
    assert read_plan(tmp_path / "plan.json").apps[0].votes in (1, 2)


def test_an_app_of_weight_0_counts_in_neither_objective() -> None:
    good = [branch_point(0, hit=1.0, false_positive=0.0)]
    bad = [branch_point(0, hit=0.1), branch_point(4, hit=0.0)]
    for objective in ("mean", "min"):
        found = plan(
            workload(app("a", branch_points=good), app("b", branch_points=bad, weight=0)),
            budget=65,
            objective=objective,  # type: ignore[arg-type]
        )
        assert found.mean_f1 == found.min_f1 == found.apps[0].f1 == 1.0
        assert found.apps[1].f1 < 0.5


def test_planning_needs_no_torch() -> None:
    """On an edge node; and neither scipy nor pandas, which no plan needs."""
    code = (
        "import sys; from rheostat.share.scheduler import plan; "
        "from tests.share.workloads import workload; plan(workload(), budget=50); "
        "print([m for m in ('torch', 'scipy', 'pandas', 'highspy') if m in sys.modules])"
    )
    root = Path(__file__).parents[3]
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert ran.stdout.strip() == "[]", ran.stdout + ran.stderr


@pytest.mark.parametrize("sharing", ["any", "head", "max", "none"])
@pytest.mark.parametrize("picture_cost", [0.0, 2.5])
def test_the_least_budget_is_the_smallest_that_a_plan_fits(sharing: str, picture_cost: float) -> None:
    asked = read_workload(workload(app("a"), app("b"), picture_cost=picture_cost))
    least = least_budget(asked, sharing=sharing)
    assert plan(asked, budget=least, sharing=sharing).cost <= least
    with pytest.raises(InfeasibleError) as caught:
        plan(asked, budget=least * 0.999, sharing=sharing)
    assert caught.value.least == least
