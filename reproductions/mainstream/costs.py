"""Fig. 4a and the runs on the authors' machine: measured throughput beside what the cost formula foretells."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproductions.mainstream.published import Floats, document, layer_cost, table
from reproductions.running import Cell, Figure, Row
from rheostat.share.tree import branch_cost, plan_cost, stem_cost

Ints = NDArray[np.int64]

NETS = {"inceptionv3": "inception-v3", "mobilenets": "mobilenets-224"}  # name among the rates, name among the layers
NO_OP = "input_1"
ALL_OPS = "dense_2/Softmax:0"


def capacity_of(cost: ArrayLike, fps: ArrayLike) -> float:
    """The one constant C for which C / cost is nearest to the rates, in mean squared relative error."""
    ratio = 1 / (np.asarray(cost) * np.asarray(fps))
    return float(ratio.sum() / (ratio**2).sum())


def throughput_row(cell: Cell) -> Row:
    """All sharing depths and numbers of apps of one net.

    Twice foretold: from the rates alone, as the scheduler does, where stem and apps run at one rate; and with the
    measured ratio of the stem's rate to the apps', because without flow control a stem runs ahead of its apps.
    """
    net = document("layers.json")[NETS[cell["net"]]]
    latency = np.array(net["layer_latency_normalised"]) * net["one_unit_ms_on_nuc"]
    runs = _runs(cell["net"], {op: int(k) for k, op in net["frozen_layer_names_tf"].items()}, len(latency))
    apps, frozen, stem_fps, fps = np.array(sorted(runs)).T
    count, cut = apps.astype(int), np.minimum(frozen.astype(int), len(latency))
    shared = np.array([stem_cost(latency, [k] * n, [1.0] * n) for n, k in zip(count, cut, strict=True)])
    own = np.array([branch_cost(latency, [k] * n, [1.0] * n).sum() for n, k in zip(count, cut, strict=True)])
    ahead = np.where(stem_fps > 0, stem_fps / fps, 1.0)
    found = {"apps": count, "frozen": cut, "stem_fps": stem_fps, "published": fps}
    return found | {
        "layers": len(latency),
        "one_rate": _foretold(shared + own, fps),
        "own_rate_of_stem": {"relative_error": _foretold(ahead * shared + own, fps)["relative_error"]},
        "own_share": _own_share(count, cut, fps)
        | {"by_latency": {int(k): latency[k:].sum() / latency.sum() for k in cut}},
    }


def _own_share(apps: Ints, frozen: Ints, fps: Floats) -> Row:
    """What share of a net's cost lies behind each depth, as the rates themselves say.

    If the form of the formula holds, the rate of n apps that share up to a depth is C / (1 + (n - 1) t), where C is the
    rate of one app and t the share of its cost that is not shared. One t per depth is fitted, with no latencies.
    """
    alone = float(fps[apps == 1].mean())
    more = np.maximum(apps - 1.0, 0.0)
    share = {}
    for depth in np.unique(frozen):
        at = frozen == depth
        share[int(depth)] = float(more[at] @ (alone / fps[at] - 1) / (more[at] @ more[at]))
    rates = alone / (1 + more * np.array([share[int(depth)] for depth in frozen]))
    return {"alone": alone, "by_rates": share, "fps": rates, "relative_error": _relative_error(rates, fps)}


def _foretold(cost_ms: Floats, fps: Floats) -> Row:
    capacity = capacity_of(cost_ms, fps)
    rates = capacity / cost_ms
    return {"capacity_ms_per_second": capacity, "fps": rates, "relative_error": _relative_error(rates, fps)}


def _relative_error(rates: Floats, fps: Floats) -> dict[str, float]:
    apart = np.abs(rates / fps - 1)
    return {"mean": float(apart.mean()), "max": float(apart.max())}


def _runs(net: str, frozen_of: dict[str, int], layers: int) -> list[tuple[float, ...]]:
    """Apps, frozen layers, mean rate of the stem, and of the apps; one entry per setting, the mean over its trials."""
    found: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for row in table("fig4a_throughput.csv"):
        if row["net"] == net:
            op, base = row["shared_until_op"], float(row["base_fps"])
            frozen = {NO_OP: 0, ALL_OPS: layers}.get(op, frozen_of.get(op, -1))
            assert frozen >= 0, op
            rates = [float(rate) for rate in row["per_app_fps"].split()] or [base]
            found[int(row["num_apps"]), frozen].append((base, float(np.mean(rates))))
    return [(*setting, *np.mean(trials, axis=0)) for setting, trials in found.items()]


def deployed_row(cell: Cell) -> Row:
    """Runs of 4 to 32 apps in one mode: the apps' mean rate, and what the formula foretells with one constant."""
    latency = layer_cost(vector="layer_latency_normalised_feb2018_xvoting")
    unit = document("layers.json")["mobilenets-224"]["one_unit_ms_on_nuc"]
    apps, fps, costs = [], [], []
    for row in table("observed_fps_nuc_4hybrid.csv"):
        if row["mode"] == cell["mode"]:
            # what is frozen of a net that is not shared makes no difference to its cost
            cuts = [int(k) if cell["mode"] == "maxsharing" else 0 for k in row["num_frozen"].split()]
            apps.append(len(cuts))
            fps.append(np.mean([float(rate) for rate in row["observed_fps"].split()]))
            costs.append(unit * plan_cost(latency, cuts, np.ones(len(cuts))))
    return {"apps": apps, "published": fps, "one_rate": _foretold(np.array(costs), np.array(fps))}


THROUGHPUT = Figure(
    name="fig4a",
    what="throughput against the depth of sharing, beside capacity / cost with one fitted capacity per net",
    claimed=(),
    cells=lambda _: [{"net": net} for net in NETS],
    row=throughput_row,
    setting={"unit": "latencies of layers.json in ms, batch 1", "left_out": "resnet50"},
)
DEPLOYED = Figure(
    name="observed",
    what="rates measured on the authors' machine with 4 to 32 apps, beside capacity / cost, one capacity per mode",
    claimed=(),
    cells=lambda _: [{"mode": "nosharing"}, {"mode": "maxsharing"}],
    row=deployed_row,
    setting={"unit": "latencies of February 2018 in ms"},
)
