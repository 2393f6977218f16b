"""From a workload to a plan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from rheostat.errors import InfeasibleError, SettingsError, unknown_name
from rheostat.share.checking import SCHEMA
from rheostat.share.plan import AppPlan, Plan, Workload, read_plan, read_workload
from rheostat.share.scheduler.choices import Sharing, choices_of, restricted
from rheostat.share.scheduler.exact import SLACK, Clock, Found, best_minimum, best_sum, cheapest
from rheostat.share.scheduler.greedy import legacy_greedy
from rheostat.share.scheduler.stems import Indices
from rheostat.share.tree import total_cost, with_picture_layer

Solver = Literal["exact", "legacy-greedy"]
SOLVERS: tuple[str, ...] = get_args(Solver)


def plan(
    workload: Workload | Mapping[str, Any] | Path | str,
    *,
    budget: float | None = None,
    objective: Literal["mean", "min"] | None = None,
    sharing: Sharing = "any",
    solver: Solver = "exact",
    time_limit: float | None = None,
    gap: float = 0.0,
    previous: Plan | Mapping[str, Any] | Path | str | None = None,
) -> Plan:
    """Choose branch point, rate and votes of every app, for the best F1 that the budget can carry.

    The plan is optimal (to 5e-8), and proven to be, unless a limit is met: one that is given, or that of memory. Then
    it is the best one found, and `bound` says what no plan exceeds. The same call gives the same plan, but where time
    ended it.

    Args:
        workload: The apps and the box: read and checked, or a mapping or JSON file of the same form.
        budget: Compute per second of stream, > 0, in the unit of the workload's `layer_cost`; None = the workload's.
        objective: `mean` F1 by the weights of the apps, or the smallest F1 (`min`) and, of the plans equal in that, the
            best mean. An app of weight 0 counts in neither. None = the workload's.
        sharing: Which branch points are allowed: `any`, or a baseline: `head`, `max`, `none` (see `restricted`).
        solver: `exact`, or `legacy-greedy`: the rule of the published schedules, which knows only the mean and may lie
            above the budget.
        time_limit: Seconds after which, about, the best plan found so far is returned, > 0; None = until it is proven.
            The exact solver's alone.
        gap: Stop as soon as no plan can have a mean F1 better by more than this, >= 0. The smallest F1 is always exact.
            The exact solver's alone.
        previous: A plan to start from, in any of the forms of `workload`: of this workload at another budget, or of one
            with other apps. It saves time where little has changed, and an app keeps what it has where nothing is
            better. The exact solver's alone.

    Raises:
        SettingsError: An argument or the workload is outside its range.
        InfeasibleError: Nothing fits the budget; the message gives the smallest one that would do.
    """
    if not isinstance(workload, Workload):
        workload = read_workload(workload)
    budget = workload.budget if budget is None else budget
    objective = workload.objective if objective is None else objective
    _check(budget, objective, solver, time_limit, gap)
    assert budget is not None
    if previous is not None and not isinstance(previous, Plan):
        previous = read_plan(previous)
    clock = Clock(time_limit)
    task = _task(workload, budget, objective, sharing)
    added = len(task.layer_cost) - len(workload.layer_cost)
    if solver == "legacy-greedy":
        found, proven = task.greedy()
    else:
        task.must_fit()
        found, proven = task.exact(clock, gap, None if previous is None else task.carried_over(previous, added))
    return task.plan_of(found, workload, proven=proven, sharing=sharing, solver=solver, seconds=clock.seconds)


def curve(
    workload: Workload | Mapping[str, Any] | Path | str,
    budgets: Sequence[float],
    *,
    previous: Plan | None = None,
    **options: Any,
) -> list[Plan | None]:
    """Plan for several budgets: the F1-budget curve.

    Args:
        workload: As for `plan`.
        budgets: Compute per second of stream, each > 0, in any order.
        previous: A plan to start from.
        options: Those of `plan` but for `budget`.

    Returns:
        One plan per budget, in their order; None where nothing fits. Each is found from that of the next smaller
        budget, so that with the exact solver F1 never falls as the budget rises, even where a time limit leaves plans
        unproven.

    Raises:
        SettingsError: As `plan`.
        InfeasibleError: Nothing fits any of the budgets.
    """
    if not isinstance(workload, Workload):
        workload = read_workload(workload)
    plans: dict[float, Plan | None] = {}
    refusal = None
    for budget in sorted(set(budgets)):
        try:
            plans[budget] = previous = plan(workload, budget=budget, previous=previous, **options)
        except InfeasibleError as error:
            plans[budget], refusal = None, error
    if refusal is not None and not any(plans.values()):
        raise refusal
    return [plans[budget] for budget in budgets]


def least_budget(workload: Workload, *, sharing: Sharing = "any") -> float:
    """Smallest budget that some plan fits, rounded up to four decimals: the cost of the cheapest one.

    Args:
        workload: The apps and the box.
        sharing: As for `plan`.

    Raises:
        SettingsError: There is no such way of sharing.
    """
    return _task(workload, 1.0, "mean", sharing).least_budget()


def _task(workload: Workload, budget: float, objective: str, sharing: Sharing) -> _Task:
    """What is on offer, the pictures among the layers if they cost anything."""
    offered = restricted(workload, sharing)
    return _Task(with_picture_layer(offered) if workload.picture_cost else offered, budget, objective)


class _Task:
    """One workload, its pictures a layer like any other, at one budget; as arrays of `n` apps (see `Choices`)."""

    def __init__(self, workload: Workload, budget: float, objective: str) -> None:
        self.workload, self.budget, self.objective = workload, budget, objective
        self.choices = choices = choices_of(workload)
        weight = np.array([app.weight for app in workload.apps])
        weight /= weight.max()  # the sum of huge ones would overflow
        self.share = weight / weight.sum()
        share = self.share[:, None, None]
        on_offer = np.isfinite(choices.f1)
        self.layer_cost = np.asarray(workload.layer_cost)
        self.f1 = choices.grid(self.layer_cost, choices.f1)
        self.mean = self.f1._replace(value=np.where(on_offer, share * np.where(on_offer, choices.f1, 0.0), -np.inf))
        self.least = self.f1._replace(value=np.where((share == 0) & on_offer, 1.0, choices.f1))

    def least_cost(self) -> float:
        """Cost of the cheapest plan."""
        choice = cheapest(self.f1)
        assert choice is not None  # every branch point has every rate
        return self.f1.cost_of(choice)

    def least_budget(self) -> float:
        """The same, rounded up for people."""
        return math.ceil(self.least_cost() * 1e4) / 1e4

    def must_fit(self) -> None:
        """Raise if nothing fits the budget."""
        if self.least_cost() > self.budget * (1 + SLACK):
            enough = self.least_budget()
            raise InfeasibleError(
                f"budget is {self.budget:g}: must be at least {enough:.4f}, the cost of the cheapest plan of "
                f"{_counted(len(self.share), 'app')}; raise it, offer lower rates in fps, or leave apps out",
                least=enough,
            )

    def exact(self, clock: Clock, gap: float, start: Indices | None) -> tuple[Found, bool]:
        """Find the best plan, for the minimum the one of the best mean; and whether all that is proven."""
        if self.objective == "mean":
            found = best_sum(self.mean, self.budget, clock, gap=gap, start=start)
            return found, found.proven
        found = best_minimum(self.least, self.budget, clock, start=start)
        floored = self.mean._replace(value=np.where(self.least.value >= found.value, self.mean.value, -np.inf))
        best = best_sum(floored, self.budget, clock, gap=gap, start=found.choice)
        return Found(best.choice, found.value, found.bound), found.proven and best.proven

    def greedy(self) -> tuple[Found, bool]:
        """Plan by the published rule; all that is known of better plans is what they would be without a budget."""
        choice = legacy_greedy(self.f1, self.budget)
        asked = self.mean if self.objective == "mean" else self.least
        value = asked.value_of(choice) if self.objective == "mean" else asked.least_of(choice)
        highest = asked.value.max(axis=(1, 2))
        found = Found(choice, value, float(highest.sum() if self.objective == "mean" else highest.min()))
        fits = self.f1.cost_of(choice) <= self.budget * (1 + SLACK)  # the rule never checks its start
        return found, found.proven and fits and self.objective == "mean"

    def carried_over(self, previous: Plan, added: int) -> Indices:
        """`[n]` what apps had in an earlier plan, of a workload with `added` layers less.

        One that is new, or whose choice is gone, gets the cheapest one.
        """
        had = {app.name: app for app in previous.apps}
        choice = (
            np.where(np.isfinite(self.f1.value), self.f1.own_cost, np.inf).reshape(len(self.share), -1).argmin(axis=1)
        )
        for i, app in enumerate(self.workload.apps):
            old = had.get(app.name)
            at = None if old is None else self.choices.find(i, old.frozen + added, old.fps)
            choice[i] = choice[i] if at is None else at
        return choice

    def plan_of(
        self, found: Found, asked: Workload, *, proven: bool, sharing: Sharing, solver: Solver, seconds: float
    ) -> Plan:
        """Write the choices out as a plan of the workload that was asked for, which may lack the layer of pictures."""
        choice = found.choice
        assert choice is not None
        point, rate = np.divmod(choice, self.choices.rates.size)
        row = np.arange(choice.size)
        added = len(self.layer_cost) - len(asked.layer_cost)
        frozen, fps = self.choices.frozen[point] - added, self.choices.rates[rate]
        recall, precision, f1 = (
            np.clip(table[row, point, rate], 0.0, 1.0)
            for table in (self.choices.recall, self.choices.precision, self.choices.f1)
        )
        votes = self.choices.votes[row, point, rate]
        apps = tuple(
            AppPlan(name=app.name, frozen=k, fps=f, votes=v or None, f1=a, recall=r, precision=p)
            for app, k, f, v, a, r, p in zip(self.workload.apps, frozen, fps, votes, f1, recall, precision, strict=True)
        )
        mean = min(float(f1 @ self.share), 1.0)
        least = float(f1[self.share > 0].min())
        return Plan(
            schema=SCHEMA,
            mean_f1=mean,
            min_f1=least,
            cost=total_cost(asked, apps),
            budget=self.budget,
            optimal=proven,
            bound=min(max(found.bound, mean if self.objective == "mean" else least), 1.0),
            seconds=seconds,
            apps=apps,
            objective=self.objective,
            solver=solver,
            sharing=sharing,
        )


def _check(budget: float | None, objective: str, solver: str, time_limit: float | None, gap: float) -> None:
    if budget is None:
        raise SettingsError("budget is missing: the workload has none, so give one, in the unit of its layer_cost")
    if not (budget > 0 and math.isfinite(budget)):
        raise SettingsError(f"budget is {budget}: must be a number above 0, in the unit of layer_cost")
    if objective not in ("mean", "min"):
        raise unknown_name("objective", objective, ("mean", "min"))
    if solver not in SOLVERS:
        raise unknown_name("solver", solver, SOLVERS)
    if time_limit is not None and not time_limit > 0:
        raise SettingsError(f"time_limit is {time_limit}: must be above 0 seconds; leave it out to wait for the proof")
    if not 0 <= gap <= 1:
        raise SettingsError(f"gap is {gap}: must be 0 to 1, in F1")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
