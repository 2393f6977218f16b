"""The published workloads, as `Workload`: MobileNets branch points, latencies in units of the slowest layer."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from rheostat.share.plan import Workload, read_workload
from tests.share.events.published import read_csv, read_json

TENTHS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]  # rates that No-Sharing had in addition
SHARING = {"mainstream": "any", "maxsharing": "max", "nosharing": "none"}


@functools.cache
def curves(name: str = "mpackages.csv", suffix: str = "_pareto") -> dict[str, list[dict[str, Any]]]:
    """Per app its branch points; `p_false_pos` is the chance of a positive on a frame without the event."""
    points: dict[str, list[dict[str, Any]]] = {}
    for row in read_csv(name):
        hit, false_positive = float(row[f"p_hit{suffix}"]), float(row[f"p_false_pos{suffix}"])
        point = {"frozen": int(row["num_frozen"]), "hit": hit, "false_positive": false_positive}
        points.setdefault(row["app"], []).append(point)
    return points


@functools.cache
def layers() -> Mapping[str, Any]:
    return read_json("layers.json")["mobilenets-224"]


@functools.cache
def setups(apps: int) -> list[list[dict[str, str]]]:
    """The 100 workloads of the paper's figures 6 to 8 with so many apps, as rows of their table."""
    found: dict[int, list[dict[str, str]]] = {}
    for row in read_csv("setups_050318.csv"):
        if int(row["n_apps"]) == apps:
            found.setdefault(int(row["setup_index"]), []).append(row)
    return [found[index] for index in sorted(found)]


def of_apps(rows: Sequence[Mapping[str, Any]], *, fps: Sequence[float] = range(1, 11), **values: Any) -> Workload:
    """A workload of the apps in `rows`, with the settings `values` besides."""
    apps = [
        {
            "name": f"{row['app']}-{number}",
            "event_seconds": float(row["event_length_ms"]) / 1000,
            "event_frequency": float(row["event_frequency"]),
            "correlation": float(row["correlation"]),
            "branch_points": curves()[row["app"]],
        }
        for number, row in enumerate(rows)
    ]
    base = {"schema": 1, "stream_fps": 10, "layer_cost": layers()["layer_latency_normalised"]}
    return read_workload({**base, "fps": list(fps), "apps": apps, **values})


def of_x_voting(app: str, number: int, votes: int) -> Workload:
    """Figure 9: so many instances of one app, of the older measurements, all with one count of votes."""
    defaults = read_json("app_params.json")["single_app_defaults"]
    apps = [
        {
            "name": f"{app}-{instance}",
            "event_seconds": defaults["event_length_ms"] / 1000,
            "event_frequency": defaults["event_frequency"][app],
            "correlation": defaults["correlation"][app],
            "votes": [votes],
            "branch_points": curves("mpackages_feb2018_xvoting.csv", "")[app],
        }
        for instance in range(number)
    ]
    latency = layers()["layer_latency_normalised_feb2018_xvoting"]
    rates = list(range(1, 16))
    values = {"schema": 1, "stream_fps": 15, "fps": rates, "layer_cost": latency, "budget": 350, "apps": apps}
    return read_workload(values)
