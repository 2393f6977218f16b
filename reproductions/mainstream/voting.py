"""Fig. 9: X-voting, for 1 to 30 copies of one app."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from reproductions.mainstream.published import Floats, document, layer_cost, table, voting_packages
from reproductions.running import Cell, Figure, Row
from rheostat.share import Plan, Workload, read_workload
from rheostat.share.events import Detection, detection
from rheostat.share.scheduler import plan

BUDGET = 350
VOTES = tuple(range(1, 8))
DATASETS = ("train", "pedestrian")
FREE = "chosen"
PATIENCE = 60.0


def workload(dataset: str, apps: int, votes: Sequence[int]) -> Workload:
    """`apps` copies of one app, with the defaults of the experiments on voting."""
    defaults = document("app_params.json")["single_app_defaults"]
    stream = defaults["stream_fps"]
    return read_workload(
        {
            "schema": 1,
            "stream_fps": stream,
            "fps": list(range(1, stream + 1)),
            "layer_cost": layer_cost(vector="layer_latency_normalised_feb2018_xvoting"),
            "apps": [
                {
                    "name": f"{dataset}-{number}",
                    "event_seconds": defaults["event_length_ms"] / 1000,
                    "event_frequency": defaults["event_frequency"][dataset],
                    "correlation": defaults["correlation"][dataset],
                    "votes": list(votes),
                    "branch_points": voting_packages()[dataset],
                }
                for number in range(apps)
            ],
        }
    )


def foretold(dataset: str, frozen: Sequence[int], fps: Sequence[float], votes: int) -> Detection:
    """`[n]` what the published formula says of a schedule, one entry per app."""
    app = workload(dataset, 1, [votes]).apps[0]
    points = {point.frozen: point for point in app.branch_points}
    return detection(
        hit=[points[k].hit or 0.0 for k in frozen],
        false_positive=[points[k].false_positive or 0.0 for k in frozen],
        event_seconds=app.event_seconds,
        event_frequency=app.event_frequency,
        correlation=app.correlation_at(fps),
        fps=fps,
        stream_fps=document("app_params.json")["single_app_defaults"]["stream_fps"],
        votes=votes,
    )


def voting_row(cell: Cell) -> Row:
    """One data set and number of votes, all numbers of apps."""
    if cell["votes"] == FREE:
        apps = range(1, 31)
        plans = [plan(workload(cell["dataset"], n, VOTES), budget=BUDGET, time_limit=PATIENCE) for n in apps]
        votes = [dict(sorted(Counter(str(app.votes) for app in made.apps).items())) for made in plans]
        return {"apps": list(apps), "exact": _columns(plans) | {"votes": votes}}
    rows = [
        row
        for row in table("fig9_xvoting.csv")
        if (row["dataset"], int(row["x_vote"])) == (cell["dataset"], cell["votes"])
    ]
    schedules = [_schedule(row) for row in rows]
    formula = [foretold(cell["dataset"], *schedule, cell["votes"]) for schedule in schedules]
    asked = [workload(cell["dataset"], int(row["n_apps"]), [cell["votes"]]) for row in rows]
    legacy = [plan(w, budget=BUDGET, solver="legacy-greedy") for w in asked]
    exact = [plan(w, budget=BUDGET, time_limit=PATIENCE) for w in asked]
    same = [
        sorted((app.frozen, app.fps) for app in made.apps) == sorted(zip(*schedule, strict=True))
        for made, schedule in zip(legacy, schedules, strict=True)
    ]
    return {
        "apps": [int(row["n_apps"]) for row in rows],
        "published": {
            "f1_of_means": [float(row["f1_est_from_means"]) for row in rows],
            "mean_f1": [float(found.f1.mean()) for found in formula],
        },
        "formula_apart": float(max(_apart(row, f.recall, f.precision) for row, f in zip(rows, formula, strict=True))),
        "legacy": _columns(legacy) | {"same_schedule": sum(same), "apart": _largest(rows, legacy)},
        "exact": _columns(exact),
    }


def _schedule(row: dict[str, str]) -> tuple[list[int], list[float]]:
    return [int(k) for k in row["num_frozen"].split()], [float(f) for f in row["fps"].split()]


def _columns(plans: Sequence[Plan]) -> Row:
    return {
        "mean_f1": [made.mean_f1 for made in plans],
        "unproven": sum(not made.optimal for made in plans if made.solver == "exact"),
    }


def _means(made: Plan) -> Floats:
    return np.mean([(app.recall, app.precision) for app in made.apps], axis=0)


def _apart(row: dict[str, str], recall: Floats, precision: Floats) -> float:
    """Largest difference from the published means, which have four decimals."""
    return max(
        abs(1 - float(np.mean(recall)) - float(row["mean_fnr"])),
        abs(1 - float(np.mean(precision)) - float(row["mean_1_minus_precision"])),
    )


def _largest(rows: Sequence[dict[str, str]], plans: Sequence[Plan]) -> float:
    return max(_apart(row, *_means(made)[:, None]) for row, made in zip(rows, plans, strict=True))


FIGURE = Figure(
    name="fig9",
    what="F1 against the number of apps with X votes: the published schedules, the published rule, optimal plans",
    claimed=(),
    cells=lambda _: [{"dataset": d, "votes": v} for d in DATASETS for v in (*VOTES, FREE)],
    row=voting_row,
    setting={"budget": BUDGET, "stream_fps": 15, "event_seconds": 0.5, "votes": list(VOTES), "time_limit": PATIENCE},
)
