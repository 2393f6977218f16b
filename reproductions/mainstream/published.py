"""What the authors published, as it lies in `data/`, and the workloads that it describes."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheostat.share import Workload, read_workload

Floats = NDArray[np.float64]

DATA = Path(__file__).parent / "data"
STREAM_FPS = 10
RATES = tuple(range(1, STREAM_FPS + 1))
RATES_UNSHARED = (*(tenth / 10 for tenth in range(1, 10)), *RATES)  # the published No-Sharing may go below 1 fps
WORKLOADS = 100  # per number of apps, but for 30 apps, of which the sources name 52


@cache
def table(name: str) -> list[dict[str, str]]:
    """All rows of a CSV file."""
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def document(name: str) -> Any:
    """A JSON file."""
    return json.loads((DATA / name).read_text(encoding="utf-8"))


@cache
def packages() -> dict[str, list[dict[str, Any]]]:
    """Branch points of each app of the spring of 2018, dominated ones overwritten as the published code does."""
    return _branch_points("mpackages.csv", "p_hit_pareto", "p_false_pos_pareto")


@cache
def voting_packages() -> dict[str, list[dict[str, Any]]]:
    """Branch points of each app of February 2018, which the experiments on voting used."""
    return _branch_points("mpackages_feb2018_xvoting.csv", "p_hit", "p_false_pos")


def _branch_points(name: str, hit: str, false_positive: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in table(name):
        point = {"frozen": int(row["num_frozen"]), "hit": float(row[hit]), "false_positive": float(row[false_positive])}
        found[row["app"]].append(point)
    return dict(found)


def layer_cost(net: str = "mobilenets-224", vector: str = "layer_latency_normalised") -> list[float]:
    """Latency of each layer on the authors' machine; the slowest layer takes 1."""
    return document("layers.json")[net][vector]


@cache
def setups(apps: int) -> list[list[dict[str, Any]]]:
    """The apps of each of the 100 workloads of a number of apps behind Fig. 6 to 8, as `workload_of` takes them."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in table("setups_050318.csv"):
        if int(row["n_apps"]) == apps:
            drawn = {name: float(row[name]) for name in ("event_length_ms", "event_frequency", "correlation")}
            found[int(row["setup_index"])].append({"app": row["app"], **drawn})
    return [found[index] for index in sorted(found)]


def workload(apps: int, index: int, fps: Sequence[float] = RATES) -> Workload:
    """One of the 100 workloads of a number of apps behind Fig. 6 to 8."""
    return workload_of(setups(apps)[index], STREAM_FPS, fps)


def workload_of(apps: Sequence[Mapping[str, Any]], stream_fps: float, fps: Sequence[float]) -> Workload:
    """A workload of apps with the packages of the spring of 2018."""
    return read_workload(
        {
            "schema": 1,
            "stream_fps": stream_fps,
            "fps": list(fps),
            "layer_cost": layer_cost(),
            "apps": [
                {
                    "name": f"{app['app']}-{number}",
                    "event_seconds": app["event_length_ms"] / 1000,
                    "event_frequency": app["event_frequency"],
                    "correlation": app["correlation"],
                    "branch_points": packages()[app["app"]],
                }
                for number, app in enumerate(apps)
            ],
        }
    )
