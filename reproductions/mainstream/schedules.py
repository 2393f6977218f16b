"""Fig. 6 to 8 and the authors' regression test: F1 of the schedules for 1 to 30 apps at budgets of 50 to 300."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from reproductions.mainstream.published import (
    RATES,
    RATES_UNSHARED,
    STREAM_FPS,
    WORKLOADS,
    document,
    packages,
    table,
    workload,
    workload_of,
)
from reproductions.running import Cell, Figure, Row
from rheostat.share import Plan, Workload
from rheostat.share.scheduler import Sharing, plan

MODES: dict[str, Sharing] = {"mainstream": "any", "maxsharing": "max", "nosharing": "none"}  # as published, as here
BASELINES: tuple[Sharing, ...] = ("head", "max", "none")
MEANS = ("f1", "recall", "precision", "fps", "relative_frame_accuracy")
BUDGET = 150  # of Fig. 6 and 7
APPS = 3  # of Fig. 8
MOST_APPS = 30
PATIENCE = 60.0  # seconds after which a plan counts as unproven
NEAR = 1e-6  # what schedules may differ in F1 and still count as equally good


def means_of(workloads: Sequence[Workload], plans: Sequence[Plan]) -> dict[str, float]:
    """Means over plans of what the published files average; an app's accuracy is relative to its best branch point."""
    figures = np.array(
        [
            (
                made.mean_f1,
                np.mean([app.recall for app in made.apps]),
                np.mean([app.precision for app in made.apps]),
                np.mean([app.fps for app in made.apps]),
                np.mean([_relative_accuracy(asked, number, app.frozen) for number, app in enumerate(made.apps)]),
            )
            for asked, made in zip(workloads, plans, strict=True)
        ],
        dtype=float,
    )
    return dict(zip(MEANS, figures.mean(axis=0).tolist(), strict=True))


def _relative_accuracy(asked: Workload, number: int, frozen: int) -> float:
    hit = {point.frozen: point.hit or 0.0 for point in asked.apps[number].branch_points}
    return hit[frozen] / max(hit.values())


def schedules_row(cell: Cell) -> Row:
    """One number of apps at one budget: the published rule in three modes, and optimal plans of every kind wanted."""
    budget, indices = cell["budget"], range(cell["workloads"])
    shared = [workload(cell["apps"], index) for index in indices]
    unshared = [workload(cell["apps"], index, RATES_UNSHARED) for index in indices]
    asked = {sharing: unshared if sharing == "none" else shared for sharing in ("any", "head", "max", "none")}
    legacy = {
        mode: [plan(w, budget=budget, sharing=sharing, solver="legacy-greedy") for w in asked[sharing]]
        for mode, sharing in MODES.items()
    }
    wanted: tuple[Sharing, ...] = ("any", *(BASELINES if cell["baselines"] else ()))
    exact = {
        sharing: [plan(w, budget=budget, sharing=sharing, time_limit=PATIENCE) for w in asked[sharing]]
        for sharing in wanted
    }
    best, greedy = (np.array([made.mean_f1 for made in plans]) for plans in (exact["any"], legacy["mainstream"]))
    gap = (best - greedy) / best
    legacy_means = {mode: means_of(asked[MODES[mode]], plans) for mode, plans in legacy.items()}
    found: Row = {
        "legacy": legacy_means,
        "exact": {sharing: means_of(asked[sharing], plans) for sharing, plans in exact.items()},
        "unproven": sum(not made.optimal for plans in exact.values() for made in plans),
        "over_budget": {
            mode: over for mode, plans in legacy.items() if (over := sum(made.cost > budget + NEAR for made in plans))
        },
        "gap": {"mean": float(gap.mean()), "max": float(gap.max()), "as_good": int((best - greedy <= NEAR).sum())},
    }
    published = published_means().get((cell["apps"], budget))
    if published is not None and cell["workloads"] == WORKLOADS:
        found["published"] = published
        apart = {
            name: {mode: abs(legacy_means[mode][name] - published[mode][name]) for mode in MODES} for name in MEANS
        }
        found["apart"] = {name: max(by_mode.values()) for name, by_mode in apart.items()}
        found["f1_differs"] = [mode for mode in MODES if apart["f1"][mode] > NEAR]
    return found


def published_means() -> dict[tuple[int, int], dict[str, dict[str, float]]]:
    """By number of apps and budget, then by mode, the published means over 100 workloads."""
    found: dict[tuple[int, int], dict[str, dict[str, float]]] = defaultdict(dict)
    for row in table("fig6_7_8_means.csv"):
        cell = found[int(row["n_apps"]), int(row["budget"])]
        cell[row["mode"]] = {name: float(row[f"mean_{name}"]) for name in MEANS}
    return dict(found)


def _cells(workloads: int) -> list[Cell]:
    return [
        {
            "apps": apps,
            "budget": budget,
            "baselines": budget == BUDGET or apps == APPS,
            "workloads": min(workloads, WORKLOADS),
        }
        for apps, budget in [*published_means(), (MOST_APPS, BUDGET)]
    ]


def regression_row(cell: Cell) -> Row:
    """One set-up of the authors' regression test: the optimal plan beside the metrics, 1 - mean F1, of theirs."""
    setup = _regression()[cell["setup"]]
    made = plan(_regression_workload(setup), budget=setup["budget"], time_limit=PATIENCE)
    return {
        "apps": len(setup["apps"]),
        "published": {name: schedule["metric"] for name, schedule in setup["expected"].items()},
        "exact": 1 - made.mean_f1,
        "optimal": made.optimal,
        "seconds": made.seconds,
    }


def _regression() -> dict[str, dict[str, Any]]:
    return {setup["setup_id"]: setup for setup in document("regtest_5fps_budget100.json")["setups"]}


def _regression_workload(setup: dict[str, Any]) -> Workload:
    return workload_of(setup["apps"], setup["stream_fps"], range(1, setup["stream_fps"] + 1))


SCHEDULES = Figure(
    name="fig6-8",
    what="mean F1, recall and precision against the number of apps (Fig. 6, 7) and the budget (Fig. 8)",
    claimed=(
        "per-event F1 up to 47 % above Max-Sharing",
        "up to 87X the F1 of No-Sharing",
        "greedy within 0.89 % of optimal on more than 4,800 workloads",
    ),
    cells=_cells,
    row=schedules_row,
    setting={
        "stream_fps": STREAM_FPS,
        "fps": list(RATES),
        "fps_without_sharing": list(RATES_UNSHARED),
        "layers": "mobilenets-224",
        "packages": sorted(packages()),
        "time_limit": PATIENCE,
    },
)
REGRESSION = Figure(
    name="regtest",
    what="optimal plans of the 20 set-ups of the authors' regression test",
    claimed=(),
    cells=lambda _: [{"setup": setup} for setup in _regression()],
    row=regression_row,
    setting={"stream_fps": 5, "budget": 100, "metric": "1 - mean F1"},
)
