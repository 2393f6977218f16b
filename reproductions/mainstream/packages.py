"""Fig. 4b, per-frame accuracy against the share of frozen layers, and the table of data sets."""

from __future__ import annotations

import numpy as np

from reproductions.mainstream.published import Floats, document, layer_cost, packages, table
from reproductions.running import Cell, Figure, Row

HEAD = 81  # the last layer before the pooling and the two dense layers
PAPER_NAMES = {
    "pedestrian": "Pedestrians",
    "bus": "Bus",
    "redcar": "RedCar",
    "scramble": "Scramble",
    "schoolbus": "Schoolbus",
    "train": "Trains",
    "cars": "Cars",
}


def without_dominated(hit: Floats, false_positive: Floats) -> tuple[Floats, Floats]:
    """Overwrite each branch point whose hit rate is below that of the next deeper one with the deeper one's rates.

    Args:
        hit: `[K]` in [0, 1], from the first branch point to the deepest.
        false_positive: Likewise.
    """
    p, g = hit.copy(), false_positive.copy()
    for at in range(len(p) - 2, -1, -1):
        if p[at] < p[at + 1]:
            p[at], g[at] = p[at + 1], g[at + 1]
    return p, g


def accuracy_row(cell: Cell) -> Row:
    """One app: raw rates, and those without dominated points, published and by `without_dominated`."""
    rows = [row for row in table("mpackages.csv") if row["app"] == cell["app"]]
    columns = {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name.startswith("p_")}
    p, g = without_dominated(columns["p_hit_raw"], columns["p_false_pos_raw"])
    apart = max(np.abs(p - columns["p_hit_pareto"]).max(), np.abs(g - columns["p_false_pos_pareto"]).max())
    return {
        "frozen": [int(row["num_frozen"]) for row in rows],
        "layers": len(layer_cost()),
        "hit": columns["p_hit_raw"],
        "hit_without_dominated": p,
        "dominated": int((p != columns["p_hit_raw"]).sum()),
        "from_published": float(apart),
    }


def dataset_row(cell: Cell) -> Row:
    """One app: what the paper says of its data set, what our workloads use, and its rates at three branch points."""
    name = cell["app"]
    paper = document("app_params.json")["paper_table2"]
    columns = dict(zip(paper["columns"], paper.get(PAPER_NAMES.get(name, ""), [None] * 4), strict=True))
    drawn = [row for row in table("setups_050318.csv") if row["app"] == name]
    seconds = [float(row["event_length_ms"]) / 1000 for row in drawn]
    frequency = [float(row["event_frequency"]) for row in drawn]
    points = {point["frozen"]: point for point in packages()[name]}
    return {
        "paper": columns,
        "instances": len(drawn),
        "event_seconds": [min(seconds), max(seconds)],
        "event_frequency": [min(frequency), max(frequency)],
        "rates": {
            label: {"frozen": k, "hit": points[k]["hit"], "false_positive": points[k]["false_positive"]}
            for label, k in (("first", min(points)), ("head", HEAD), ("deepest", max(points)))
        },
    }


def _apps(_: int) -> list[Cell]:
    return [{"app": app} for app in packages()]


ACCURACY = Figure(
    name="fig4b",
    what="hit rate per frame against the share of layers frozen, nine apps, before and after dominated points go",
    claimed=(),
    cells=_apps,
    row=accuracy_row,
    setting={"net": "mobilenets-224"},
)
DATASETS = Figure(
    name="table1",
    what="the data sets of the paper, the workloads of Fig. 6 to 8, and the packages' rates",
    claimed=(),
    cells=_apps,
    row=dataset_row,
    setting={"head": HEAD},
)
