"""Place fleets of growing size, and keep a record: time, quality against the bound, and what simpler rules would give.

    OMP_NUM_THREADS=1 python -m benchmarks.fleet

Cameras have 3 to 7 apps, drawn as the published workloads were (`benchmarks.planning.drawn`); there are 20 kinds of
them, or as many as cameras. Nodes differ 16-fold in what they carry. Times are processor time of one thread, from
nothing: the kinds, the bound, the assignment, and the exact plan of every node.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.keep import keep
from benchmarks.planning import drawn
from rheostat.records import environment
from rheostat.share import Workload
from rheostat.share.placement import FleetNode, Frontiers, Placed, place, plan_nodes
from rheostat.share.scheduler.choices import restricted
from rheostat.share.scheduler.planner import least_budget

SIZES = ((5, 20), (50, 200), (500, 2000))  # nodes, cameras
KINDS = 20
LOADS = (30.0, 60.0, 240.0)  # compute per camera that all nodes have together
LOAD = 60.0
LOST = 0.1  # share of the nodes
RULES = 50  # nodes up to which the simpler rules are planned too


def fleet(nodes: int, cameras: int, load: float, *, kinds: int = KINDS) -> tuple[list[FleetNode], dict[str, Workload]]:
    """Nodes of different budgets and speeds that carry `load` per camera together, and cameras of so many kinds."""
    rng = np.random.default_rng([nodes, cameras, kinds])
    known = [drawn(int(rng.integers(3, 8)), seed) for seed in range(kinds)]
    chosen = {f"camera {number}": known[int(rng.integers(kinds))] for number in range(cameras)}
    speed = rng.choice([0.5, 1.0, 2.0], nodes)
    size = rng.choice([1.0, 2.0, 4.0], nodes)
    budget = size * load * cameras / float(size @ speed)
    made = [
        FleetNode(name=f"node {number}", budget=float(much), speed=float(fast))
        for number, (much, fast) in enumerate(zip(budget, speed, strict=True))
    ]
    return made, chosen


def told(found: Placed) -> dict[str, Any]:
    """What a record says of a placement."""
    placement = found.placement
    return {
        "f1": placement.mean_f1,
        "bound": placement.bound,
        "left_out": len(placement.left_out),
        "proven": sum(node.optimal for node in placement.nodes),
    }


def round_robin(nodes: list[FleetNode], cameras: dict[str, Workload]) -> dict[str, str]:
    """Each camera to the next node that can still carry it."""
    where: dict[str, str] = {}
    room = np.array([node.capacity for node in nodes])
    at = 0
    for name, least in _least(cameras).items():
        for step in range(len(nodes)):
            node = (at + step) % len(nodes)
            if room[node] >= least:
                room[node] -= least
                where[name] = nodes[node].name
                at = node + 1
                break
    return where


def first_fit(nodes: list[FleetNode], cameras: dict[str, Workload]) -> dict[str, str]:
    """Each camera, taken to need its even share of all compute, to the first node with room for that.

    Where none has it, to the node with most room that can carry its cheapest plan.
    """
    where: dict[str, str] = {}
    least = _least(cameras)
    load = sum(node.capacity for node in nodes) / len(cameras)
    used, bare = np.zeros(len(nodes)), np.zeros(len(nodes))
    capacity = np.array([node.capacity for node in nodes])
    for name in cameras:
        fits = np.flatnonzero((used + load <= capacity * (1 + 1e-9)) & (bare + least[name] <= capacity))
        if not fits.size:
            spare = capacity - used
            carries = np.flatnonzero(bare + least[name] <= capacity)
            fits = carries[np.argsort(-spare[carries], kind="stable")]
        if fits.size:
            used[fits[0]] += load
            bare[fits[0]] += least[name]
            where[name] = nodes[fits[0]].name
    return where


def _least(cameras: dict[str, Workload]) -> dict[str, float]:
    least = {key: least_budget(workload) for key, workload in {id(w): w for w in cameras.values()}.items()}
    return {name: least[id(workload)] for name, workload in cameras.items()}


def without_sharing(cameras: dict[str, Workload]) -> dict[str, Workload]:
    """The same cameras, a whole network per app."""
    alone: dict[int, Workload] = {}
    for workload in cameras.values():
        alone.setdefault(id(workload), restricted(workload, "none"))
    return {name: alone[id(workload)] for name, workload in cameras.items()}


def row(nodes: int, cameras: int, load: float, *, kinds: int = KINDS, rules: bool = True) -> dict[str, Any]:
    """One fleet: ours, timed, and the simpler rules, each with exact plans on every node."""
    boxes, chosen = fleet(nodes, cameras, load, kinds=kinds)
    known = Frontiers()
    began = time.process_time()
    found = place(boxes, chosen, known=known)
    seconds = time.process_time() - began
    made = {
        "nodes": nodes, "cameras": cameras, "apps": found.placement.apps, "kinds": kinds, "load": load,
        "seconds": seconds, **told(found),
    }  # fmt: skip
    if nodes <= RULES and rules:
        made["round robin"] = told(plan_nodes(boxes, chosen, round_robin(boxes, chosen), known=known))
        made["first fit"] = told(plan_nodes(boxes, chosen, first_fit(boxes, chosen), known=known))
        made["nothing shared"] = told(place(boxes, without_sharing(chosen)))
    if rules:
        made["lost"] = _lost(boxes, chosen, found, known, anew=nodes <= RULES)
    return made


def _lost(
    boxes: list[FleetNode], chosen: dict[str, Workload], found: Placed, known: Frontiers, *, anew: bool
) -> dict[str, Any]:
    """Every tenth node fails: what is placed again, and beside it a placement from nothing."""
    left = [node for number, node in enumerate(boxes) if number % round(1 / LOST)]
    began = time.process_time()
    again = place(left, chosen, previous=found.placement, known=known)
    seconds = time.process_time() - began
    gone = {node.name for node in boxes} - {node.name for node in left}
    homeless = sum(any(at in gone for at in found.placement.at(name)) for name in chosen)
    before = {name: found.placement.at(name) for name in chosen}
    made = {
        "nodes": len(gone),
        "homeless": homeless,
        "moved": len(again.placement.moved),
        "seconds": seconds,
        **told(again),
    }
    if anew:
        other = place(left, chosen, known=known).placement
        moved = sum(not gone & {*before[name]} and other.at(name) != before[name] for name in chosen)
        made |= {"anew_f1": other.mean_f1, "anew_moved": moved}
    return made


def measure(log: Callable[[str], None] = print) -> dict[str, Any]:
    """All fleets."""
    place(*fleet(2, 2, LOAD, kinds=2))  # the first call pays for imports
    sizes = []
    for nodes, cameras in SIZES:
        sizes.append(row(nodes, cameras, LOAD))
        log(f"{sizes[-1]['apps']} apps on {nodes} nodes: {sizes[-1]['seconds']:.1f} s, F1 {sizes[-1]['f1']:.4f}")
    loads = [row(50, 200, load) for load in LOADS if load != LOAD]
    distinct = row(12, 48, LOAD, kinds=48, rules=False)
    return {
        "bench": "fleet", "sizes": sizes, "loads": loads, "distinct": distinct, "environment": environment(),
    }  # fmt: skip


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """The parts of a page that are rendered from the record."""
    sizes = record["sizes"]
    table = [
        "| apps | cameras | nodes | processor seconds | mean F1 | bound | gap | nodes proven | left out |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for made in [*sizes, record["distinct"]]:
        kinds = f" ({made['kinds']} kinds)" if made["kinds"] != KINDS else ""
        gap = made["bound"] - made["f1"]
        cells = [f"{made['seconds']:.1f}", f"{made['f1']:.4f}", f"{made['bound']:.4f}", f"{gap:.4f}"]
        table.append(
            f"| {made['apps']:,} | {made['cameras']:,}{kinds} | {made['nodes']} | {' | '.join(cells)} "
            f"| {made['proven']} | {made['left_out']} |"
        )
    rules = [
        "| apps | compute per camera | ours | first fit | round robin | nothing shared | bound |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lost = [
        "| apps | nodes lost | cameras on them | others moved | F1 before | after | anew | moved anew | seconds |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    ruled = [made for made in [*sizes, *record["loads"]] if "first fit" in made]
    for made in sorted(ruled, key=lambda made: (made["nodes"], made["load"])):
        cells = [_rule(made[name]) for name in ("first fit", "round robin", "nothing shared")]
        rules.append(
            f"| {made['apps']:,} | {made['load']:g} | {made['f1']:.4f} | {' | '.join(cells)} | {made['bound']:.4f} |"
        )
    for made in sizes:
        gone = made["lost"]
        anew = f"{gone['anew_f1']:.4f} | {gone['anew_moved']}" if "anew_f1" in gone else "|"
        lost.append(
            f"| {made['apps']:,} | {gone['nodes']} of {made['nodes']} | {gone['homeless']} | {gone['moved']} "
            f"| {made['f1']:.4f} | {gone['f1']:.4f} | {anew} | {gone['seconds']:.1f} |"
        )
    return {
        "table": "\n".join(table),
        "rules": "\n".join(rules),
        "lost": "\n".join(lost),
        "conditions": (
            f"Cameras of 3 to 7 apps in {KINDS} kinds, nodes that differ 16-fold; processor time of one thread, "
            f"{record['environment']['processor']}, commit {record['environment']['commit']}."
        ),
    }


def _rule(made: dict[str, Any]) -> str:
    return f"{made['f1']:.4f}" + (f" ({made['left_out']} left out)" if made["left_out"] else "")


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, default=Path("benchmarks/results/fleet.json"))
    given = parser.parse_args()
    found = measure()
    keep(given.record, found, pieces)


if __name__ == "__main__":
    main()
