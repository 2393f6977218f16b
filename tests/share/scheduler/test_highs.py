"""Plans of published workloads against a mixed-integer program of the same question, solved by HiGHS."""

import itertools

import highspy
import numpy as np
import pytest

from reproductions.mainstream.published import setups
from rheostat.share.plan import Plan, Workload
from rheostat.share.scheduler import plan
from tests.share.scheduler.oracle import cost_of, f1_by_choice
from tests.share.scheduler.published import of_apps

SECONDS = 20  # per solve; an instance takes about one
EQUAL = 1e-7  # F1; HiGHS solves to 1e-9


class Program:
    """Binary x[app, choice]; y[segment, level] in [0, 1] = the segment runs at that rate or above; and perhaps t.

    Rows: each app takes one choice; x summed over an app's choices beyond a segment, at a level or above, is at most y;
    what runs costs no more than the budget.
    """

    def __init__(self, workload: Workload, budget: float) -> None:
        self.solver = highspy.Highs()
        options = {"output_flag": False, "threads": 1, "time_limit": SECONDS, "mip_rel_gap": 0.0, "mip_abs_gap": 1e-9}
        for name in ("mip_feasibility_tolerance", "primal_feasibility_tolerance", "dual_feasibility_tolerance"):
            options[name] = 1e-9
        for name, value in options.items():
            self.solver.setOptionValue(name, value)
        layer_cost, rates = np.asarray(workload.layer_cost), workload.fps
        cuts = sorted({point.frozen for app in workload.apps for point in app.branch_points} | {0})
        self.tables = [f1_by_choice(workload, app) for app in workload.apps]
        spent: dict[int, float] = {}
        self.x = [{choice: self.variable(integer=True) for choice in table} for table in self.tables]
        for x in self.x:
            self.row(dict.fromkeys(x.values(), 1.0), 1.0, 1.0)
            spent |= {at: fps * float(layer_cost[frozen:].sum()) for (frozen, fps), at in x.items()}
        for start, end in itertools.pairwise(cuts):
            for low, level in zip((0.0, *rates), rates, strict=False):
                y = self.variable()
                spent[y] = (level - low) * float(layer_cost[start:end].sum())
                for x in self.x:
                    carried = [at for (frozen, fps), at in x.items() if frozen >= end and fps >= level]
                    self.row(dict.fromkeys(carried, 1.0) | {y: -1.0}, -highspy.kHighsInf, 0.0)
        self.row(spent, -highspy.kHighsInf, budget)

    def variable(self, worth: float = 0.0, *, integer: bool = False) -> int:
        at = self.solver.getNumCol()
        self.solver.addCol(worth, 0.0, 1.0, 0, [], [])
        if integer:
            self.solver.changeColIntegrality(at, highspy.HighsVarType.kInteger)
        return at

    def row(self, terms: dict[int, float], low: float, high: float) -> None:
        self.solver.addRow(low, high, len(terms), np.array(list(terms)), np.array(list(terms.values())))

    def best(self) -> float:
        self.solver.changeObjectiveSense(highspy.ObjSense.kMaximize)
        self.solver.run()
        assert self.solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return self.solver.getObjectiveValue()

    def best_mean(self, weights: list[float]) -> float:
        for x, table, weight in zip(self.x, self.tables, weights, strict=True):
            for choice, at in x.items():
                self.solver.changeColCost(at, weight / sum(weights) * table[choice])
        return self.best()

    def best_least(self) -> float:
        t = self.variable(1.0)
        for x, table in zip(self.x, self.tables, strict=True):
            self.row({at: table[choice] for choice, at in x.items()} | {t: -1.0}, 0.0, highspy.kHighsInf)
        return self.best()


def check_cost(workload: Workload, found: Plan) -> None:
    assert found.optimal
    assert cost_of(workload, found) <= found.budget + 1e-6


@pytest.mark.parametrize(("apps", "index", "budget"), [(3, 0, 150), (5, 1, 60), (8, 2, 150), (12, 3, 120)])
def test_the_best_mean_is_that_of_the_mixed_integer_program(apps: int, index: int, budget: float) -> None:
    rows = (setups(10)[index] + setups(2)[index])[:apps]
    workload = of_apps(rows)
    found = plan(workload, budget=budget)
    check_cost(workload, found)
    assert found.mean_f1 == pytest.approx(Program(workload, budget).best_mean([1.0] * apps), rel=0, abs=EQUAL)


def test_the_best_weighted_mean_is_that_of_the_mixed_integer_program() -> None:
    weights = [1.0, 5.0, 0.0, 0.3, 2.0, 1.0]
    workload = of_apps(setups(6)[4])
    apps = [app.model_copy(update={"weight": weight}) for app, weight in zip(workload.apps, weights, strict=True)]
    workload = workload.model_copy(update={"apps": tuple(apps)})
    found = plan(workload, budget=110)
    check_cost(workload, found)
    assert found.mean_f1 == pytest.approx(Program(workload, 110).best_mean(weights), rel=0, abs=EQUAL)


@pytest.mark.parametrize(("apps", "index", "budget"), [(3, 5, 120), (6, 6, 100), (8, 7, 130)])
def test_the_best_least_is_that_of_the_mixed_integer_program(apps: int, index: int, budget: float) -> None:
    workload = of_apps(setups(apps)[index])
    found = plan(workload, budget=budget, objective="min")
    check_cost(workload, found)
    assert found.min_f1 == pytest.approx(Program(workload, budget).best_least(), rel=0, abs=EQUAL)
