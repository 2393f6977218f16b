"""What an edge node installs and holds in memory: a fresh environment with `rheostat[edge]` only, and a record.

python -m benchmarks.edge --plan apps/plan.json --source gate.mp4 --record benchmarks/results/edge.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.keep import keep
from benchmarks.soak import resident_mb
from rheostat.records import environment

ROOT = Path(__file__).resolve().parent.parent


def megabytes(folder: Path) -> float:
    """Room that a folder takes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def measure(plan: Path, source: str, folder: Path) -> dict[str, Any]:
    """Install, look for torch, and run a plan."""
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)  # noqa: S603 - arguments of our own
    python = folder / "env" / "bin" / "python"
    before = megabytes(folder / "env")
    install = ["-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", f"{ROOT}[edge]"]
    subprocess.run([python, *install], check=True)  # noqa: S603
    packages = next((folder / "env" / "lib").glob("*/site-packages"))
    sizes = {path.name: megabytes(path) for path in packages.iterdir() if path.is_dir()}
    there = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 0  # noqa: S603
    command = [python, "-m", "rheostat", "run", plan, "--source", source, "--out", folder / "out", "--json"]
    resident = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603
        while running.poll() is None:
            resident.append(resident_mb(running.pid))
            time.sleep(0.1)
        assert running.stdout is not None
        said = running.stdout.read()
    if running.returncode or there:
        raise SystemExit(f"exit code {running.returncode}, torch {'is' if there else 'is not'} installed")
    told = json.loads(said)
    return {
        "installed_mb": megabytes(folder / "env") - before,
        "largest_mb": dict(sorted(sizes.items(), key=lambda item: -item[1])[:8]),
        "resident_mb": max(resident),
        "apps": len(told["apps"]),
        "frames": told["frames"],
        "events": sum(app["events"] for app in told["apps"]),
    }


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """What the documentation shows of the record."""
    largest = ", ".join(f"{name} {size:.0f}" for name, size in record["largest_mb"].items())
    return {
        "text": (
            f"`rheostat[edge]` alone, in a fresh environment, takes {record['installed_mb']:.0f} MB "
            f"(largest: {largest}) "
            f"and has no torch. A node with {record['apps']} apps, its decoder included, held at most "
            f"{record['resident_mb']:.0f} MB in memory ({record['frames']['analysed']} frames looked at, "
            f"{record['events']} events with their clips; commit {record['environment']['commit']})."
        )
    }


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--record", type=Path, default=Path("benchmarks/results/edge.json"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found = measure(given.plan, given.source, Path(place))
    record = {"bench": "edge", **found, "environment": environment()}
    keep(given.record, record, pieces)


if __name__ == "__main__":
    main()
