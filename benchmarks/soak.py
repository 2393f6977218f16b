"""Ten minutes at twice the load that a node can carry, and keep a record of what it does.

    python -m benchmarks.soak --packages apps --source gate.mp4 --record benchmarks/results/soak.json

Copies of packages, with figures that make a higher rate always better, run as apps with nothing shared, on one core,
from a file played as a camera would; the budget is
twice what the core has. Every few seconds the resident memory, the queues, the budget and the plan, the latency and
what was skipped are noted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.keep import keep
from rheostat.cli.packages import asked_for
from rheostat.records import environment, read_json, write_json
from rheostat.share.node import Fleet, Node, NodeSettings
from rheostat.share.package import Package, read_package
from rheostat.share.package.document import PACKAGE_FILE

CORE = 1000.0  # core-milliseconds per second
SAMPLE_SECONDS = 5.0
# of apps for which faster is better, so that the best plan spends all it may
SHORT = {"seconds": 0.4, "frequency": 0.02, "correlation": {"lag_seconds": [0.1], "value": [0.3]}}
FIGURES = {"hit": 0.6, "false_positive": 0.0, "dominated": False}


def copies(packages: Sequence[Package], number: int, folder: Path) -> tuple[Package, ...]:
    """`number` apps out of packages: the same networks under other names."""
    found = []
    for at in range(number):
        original = packages[at % len(packages)]
        name = f"{original.name} {at // len(packages) + 1}"
        place = folder / f"app-{at:02}"
        shutil.copytree(original.folder, place)
        document = read_json(place / PACKAGE_FILE)
        document["events"] |= SHORT
        document["branch_points"] = [variant | FIGURES for variant in document["branch_points"]]
        write_json(place / PACKAGE_FILE, document | {"name": name, "votes": None})
        found.append(read_package(place))
    return tuple(found)


def resident_mb(mine: int) -> float:
    """Memory of a process and of those that it started."""
    pages = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                if int(folder.name) == mine or int(stat[1]) == mine:
                    pages += int((folder / "statm").read_text().split()[1])
            except (OSError, IndexError, ValueError):
                continue  # it has ended meanwhile
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def soak(fleet: Fleet, settings: NodeSettings, budget: float, seconds: float) -> list[dict[str, Any]]:
    """Run a node, and note every few seconds what it tells."""
    plan = fleet.plan(budget)
    rows: list[dict[str, Any]] = []
    stop = threading.Event()
    with Node(fleet, plan, settings) as node:
        thread = threading.Thread(target=node.run, args=(stop,))
        began = time.monotonic()
        thread.start()
        before = {"analysed": 0, "skipped": 0}
        while time.monotonic() - began < seconds:
            time.sleep(SAMPLE_SECONDS)
            told = node.status()
            frames = told["frames"]
            rows.append(
                {
                    "seconds": time.monotonic() - began,
                    "resident_mb": resident_mb(os.getpid()),
                    "threads": threading.active_count(),
                    "budget": told["budget"]["now"],
                    "used": told["budget"]["used"],
                    "cost": told["plan"]["cost"],
                    "mean_f1": told["plan"]["mean_f1"],
                    "plan": told["plan_number"],
                    "analysed": frames["analysed"] - before["analysed"],
                    "skipped": frames["skipped"] - before["skipped"],
                    "dropped": told["source"]["frames_dropped"],
                    "latency_ms": told["latency_ms"],
                    "waiting": sum(sink["waiting"] for sink in told["sinks"]),
                    "achieved": [app["achieved_fps"] for app in told["apps"]],
                    "planned": [app["planned_fps"] for app in told["apps"]],
                }
            )
            before = frames
        stop.set()
        thread.join()
    return rows


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """What the documentation shows of the record."""
    rows = record["rows"]
    third = len(rows) // 3
    lines = [
        "| time | memory, MB | budget | plan's cost | plans | skipped | latency p50 / p99 | achieved of planned |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, part in (("first third", rows[:third]), ("second", rows[third : 2 * third]), ("last", rows[2 * third :])):
        memory = [row["resident_mb"] for row in part]
        budgets = [row["budget"] for row in part]
        skipped = sum(row["skipped"] for row in part) / max(1, sum(row["skipped"] + row["analysed"] for row in part))
        kept = np.mean([_kept(row) for row in part])
        latency = part[-1]["latency_ms"]
        lines.append(
            f"| {name} | {min(memory):.0f} to {max(memory):.0f} | {min(budgets):.0f} to {max(budgets):.0f} | "
            f"{part[-1]['cost']:.0f} | {part[-1]['plan'] - part[0]['plan']} | {skipped:.1%} | "
            f"{latency['p50']:.0f} / {latency['p99']:.0f} ms | {kept:.0%} |"
        )
    conditions = (
        f"{record['apps']} apps with nothing shared on one core for {record['seconds'] / 60:.0f} minutes; budget at "
        f"first {record['budget']:.0f} core-ms/s, of which the core has {CORE:.0f}; "
        f"{record['environment']['processor']}, other jobs beside it, commit {record['environment']['commit']}."
    )
    return {"table": "\n".join(lines), "conditions": conditions}


def _kept(row: dict[str, Any]) -> float:
    """Mean share of the planned rates that was achieved."""
    pairs = [(a, p) for a, p in zip(row["achieved"], row["planned"], strict=True) if a is not None]
    return float(np.mean([min(a / p, 1.0) for a, p in pairs])) if pairs else 1.0


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True, help="folder of packages, with their base")
    parser.add_argument("--source", required=True)
    parser.add_argument("--apps", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--record", type=Path, default=Path("benchmarks/results/soak.json"))
    given = parser.parse_args()
    asked = asked_for([given.packages], picture=(768, 432))
    budget = 2 * CORE
    with tempfile.TemporaryDirectory() as place:
        packages = copies(asked.packages, given.apps, Path(place) / "apps")
        fleet = replace(Fleet.of(replace(asked, packages=packages)), sharing="none")
        every = replace(fleet, fps=(fleet.stream_fps,))  # no rate to choose: the whole load at the first
        load = every.least()
        settings = NodeSettings.checked(
            {
                "source": given.source,
                "live": True,
                "loop": True,
                "out": Path(place) / "out",
                "cores": 1,
                "budget": budget,
            }
        )
        rows = soak(fleet, settings, budget, given.seconds)
    record = {
        "bench": "soak",
        "apps": given.apps,
        "seconds": given.seconds,
        "budget": budget,
        "full_load": load,
        "rows": rows,
        "environment": environment(),
    }
    keep(given.record, record, pieces)


if __name__ == "__main__":
    main()
