"""Time the scheduler on the published workloads, and on larger ones, and keep a record.

    python -m benchmarks.planning --record benchmarks/results/planning.json

Processor time of `plan`, one thread, proof included; the workloads take turns over the budgets. What is reported is the
median, the 99th percentile and the longest over the workloads of a cell. Larger workloads are drawn as the published
ones were. A warm start is timed beside a cold one of the same task, in turns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.keep import keep
from reproductions.mainstream import voting
from reproductions.mainstream.published import packages, workload
from rheostat.errors import InfeasibleError
from rheostat.records import environment, read_json
from rheostat.share import Plan, Workload, read_workload
from rheostat.share.scheduler import plan
from rheostat.share.tree import plan_cost

APPS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30)
BUDGETS = (50, 100, 150, 200, 250, 300)
LARGE = (100, 300, 1000)
PER_APP = 5.0  # budget of the larger workloads, as 150 for 30 apps
EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "six_detectors.json"
TENTHS = tuple(tenth / 10 for tenth in range(1, 10))


def measure(workloads: int, log: Callable[[str], None] = print) -> dict[str, Any]:
    """Time every cell; check on the way that each plan is proven and within its budget."""
    plan(workload(3, 0), budget=150)  # the first call pays for imports
    cells = []
    for apps in APPS:
        cells += [_cell(apps, budget, workloads) for budget in BUDGETS]
        log(f"{apps} apps: longest {max(cell['longest'] for cell in cells[-len(BUDGETS) :]):.3f} s")
    fractional = _cell(30, 150, min(workloads, 20), fps=(*TENTHS, *range(1, 11)))
    minimum = _cell(30, 150, min(workloads, 20), objective="min")
    large = []
    for apps in LARGE:
        large.append(_large(apps))
        log(f"{apps} apps: {max(large[-1]['seconds']):.2f} s")
    return {
        "bench": "planning",
        "workloads": workloads,
        "cells": cells,
        "fractional": fractional,
        "minimum": minimum,
        "large": large,
        "warm": _warm(min(workloads, 20)),
        "odd": _odd(3 * workloads),
        "environment": environment(),
    }


def _cell(
    apps: int, budget: float, workloads: int, fps: tuple[float, ...] | None = None, **options: Any
) -> dict[str, Any]:
    asked = [workload(apps, index) if fps is None else workload(apps, index, fps) for index in range(workloads)]
    seconds = [_timed(task, budget, **options)[0] for task in asked]
    return {
        "apps": apps,
        "budget": budget,
        "median": float(np.median(seconds)),
        "p99": float(np.quantile(seconds, 0.99)),
        "longest": max(seconds),
    }


def _timed(task: Workload, budget: float, **options: Any) -> tuple[float, Plan]:
    began = time.process_time()
    found = plan(task, budget=budget, **options)
    seconds = time.process_time() - began
    cost = plan_cost(task.layer_cost, [app.frozen for app in found.apps], [app.fps for app in found.apps])
    if cost > budget + 1e-6 or not (found.optimal or options.get("time_limit")):
        raise AssertionError(f"plan of {len(task.apps)} apps at {budget}: cost {cost}, optimal {found.optimal}")
    return seconds, found


def _large(apps: int) -> dict[str, Any]:
    """Three large workloads."""
    runs = [_timed(drawn(apps, seed), PER_APP * apps, time_limit=60.0) for seed in range(3)]
    return {
        "apps": apps,
        "budget": PER_APP * apps,
        "seconds": [seconds for seconds, _ in runs],
        "f1": [found.mean_f1 for _, found in runs],
        "gap": max(found.bound - found.mean_f1 for _, found in runs),
    }


def drawn(apps: int, seed: int = 0) -> Workload:
    """A workload drawn as the published ones: any package, length, frequency and correlation of their grids."""
    rng = np.random.default_rng(seed)
    known = packages()
    names = sorted(known)
    published = workload(1, 0)
    chosen = [
        {
            "name": f"app-{number}",
            "event_seconds": float(rng.choice([0.2, 0.4, 0.6, 0.8, 1.0])),
            "event_frequency": float(rng.integers(1, 11)) / 10,
            "correlation": float(rng.integers(1, 10)) / 10,
            "branch_points": known[names[rng.integers(len(names))]],
        }
        for number in range(apps)
    ]
    base = published.model_dump(by_alias=True, exclude_none=True)
    return read_workload(base | {"apps": chosen})


def _warm(workloads: int) -> list[dict[str, Any]]:
    """Re-planning from the plan of 30 apps at budget 150, against planning anew."""
    changes: dict[str, Callable[[Workload, Workload], tuple[Workload, float]]] = {
        "budget 149": lambda task, _: (task, 149.0),
        "budget 160": lambda task, _: (task, 160.0),
        "budget 300": lambda task, _: (task, 300.0),
        "an app fewer": lambda task, _: (task.model_copy(update={"apps": task.apps[:-1]}), 150.0),
        "an app more": lambda task, other: (
            task.model_copy(update={"apps": (*task.apps, other.apps[0].model_copy(update={"name": "new"}))}),
            150.0,
        ),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in changes}
    for index in range(workloads):
        task, other = workload(30, index), workload(30, index + 1)
        before = plan(task, budget=150)
        for name, change in changes.items():
            changed, budget = change(task, other)
            seconds[name].append((_timed(changed, budget)[0], _timed(changed, budget, previous=before)[0]))
    return [
        {"change": name, "cold": float(np.median(runs, axis=0)[0]), "warm": float(np.median(runs, axis=0)[1])}
        for name, runs in seconds.items()
    ]


def _odd(number: int) -> dict[str, Any]:
    """Workloads that are harder than the published ones: ties, layers that cost nothing, budgets that hardly bind."""
    seconds, unproven = [], 0
    for seed in range(number):
        task, budget = odd(seed)
        began = time.process_time()
        try:
            found = plan(task, budget=budget, objective="min" if seed % 3 == 0 else "mean", time_limit=6.0)
        except InfeasibleError:
            continue
        seconds.append(time.process_time() - began)
        unproven += not found.optimal
    return {
        "planned": len(seconds),
        "median": float(np.median(seconds)),
        "p99": float(np.quantile(seconds, 0.99)),
        "longest": max(seconds),
        "unproven": unproven,
        "copies": _timed(voting.workload("train", 30, range(1, 8)), 350)[0],
    }


def odd(seed: int) -> tuple[Workload, float]:
    """2 to 19 apps made of those of the example, with random events, and a budget."""
    rng = np.random.default_rng(seed)
    base = read_json(EXAMPLE)
    kind = rng.integers(4)  # 1: the same events, so that apps are copies
    apps = []
    for number in range(rng.integers(2, 20)):
        app = {**base["apps"][rng.integers(len(base["apps"]))], "name": f"app-{number}"}
        if kind != 1:
            app |= {"event_seconds": float(rng.uniform(0.5, 6)), "event_frequency": float(rng.uniform(0.05, 0.9))}
        apps.append(app)
    base |= {"apps": apps, "event_model": ("paper", "published")[rng.integers(2)]}
    if kind == 2:
        base["layer_cost"] = [cost * float(rng.random() < 0.4) for cost in base["layer_cost"]]
    if kind == 3:
        base["fps"] = [*TENTHS, *range(1, 11)]
    task = read_workload(base)
    unbound = plan(task, budget=1e9, solver="legacy-greedy").cost
    return task, max(unbound, 1e-3) * float(rng.choice([0.05, 0.1, 0.3, 0.6, 0.9, 0.99]))


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """The parts of a page that are rendered from the record."""
    cells = record["cells"]
    lines = [
        "| apps | median at budget 150 | 99th percentile | longest at budgets 50 to 300 |",
        "|---:|---:|---:|---:|",
    ]
    for apps in sorted({cell["apps"] for cell in cells}):
        of_apps = [cell for cell in cells if cell["apps"] == apps]
        at = next(cell for cell in of_apps if cell["budget"] == 150)
        longest = max(cell["longest"] for cell in of_apps)
        lines.append(f"| {apps} | {at['median']:.3f} s | {at['p99']:.3f} s | {longest:.3f} s |")
    for name, cell in (("30, with rates 0.1 to 0.9 too", record["fractional"]), ("30, lowest F1", record["minimum"])):
        lines.append(f"| {name} | {cell['median']:.3f} s | {cell['p99']:.3f} s | |")
    large = [
        "| apps | budget | seconds, shortest to longest of 3 | largest gap to the bound |",
        "|---:|---:|---:|---:|",
    ]
    for row in record["large"]:
        low, high = min(row["seconds"]), max(row["seconds"])
        gap = "none" if row["gap"] <= 1e-7 else f"{row['gap']:.1e}"
        large.append(f"| {row['apps']:,} | {row['budget']:,.0f} | {low:.2f} to {high:.2f} | {gap} |")
    warm = ["| change of 30 apps at budget 150 | anew | from the earlier plan |", "|---|---:|---:|"]
    warm += [f"| {row['change']} | {row['cold']:.3f} s | {row['warm']:.3f} s |" for row in record["warm"]]
    odd_ones = record["odd"]
    odd_text = (
        f"Of {odd_ones['planned']} of them the median took {odd_ones['median']:.2f} s, the 99th percentile "
        f"{odd_ones['p99']:.1f} s, the longest {odd_ones['longest']:.1f} s; {odd_ones['unproven']} were not proven "
        f"within 6 s. Thirty copies of one app with seven vote counts to choose from took {odd_ones['copies']:.1f} s."
    )
    conditions = (
        f"{record['workloads']} published workloads per cell, processor time of one thread, proof included, "
        f"{record['environment']['processor']}, commit {record['environment']['commit']}."
    )
    return {
        "table": "\n".join(lines),
        "large": "\n".join(large),
        "warm": "\n".join(warm),
        "odd": odd_text,
        "conditions": conditions,
    }


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", type=int, default=100, help="workloads per cell, 1 to 100")
    parser.add_argument("--record", type=Path, default=Path("benchmarks/results/planning.json"))
    given = parser.parse_args()
    found = measure(given.workloads)
    keep(given.record, found, pieces)


if __name__ == "__main__":
    main()
