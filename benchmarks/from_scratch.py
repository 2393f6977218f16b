"""How long `make demo` and `make test` take on a machine that has nothing yet, and what they leave behind.

    python -m benchmarks.from_scratch                       in a clone of the last commit; asks a package index
    python -m benchmarks.from_scratch --record FILE         also write the record; CI=true as on CI, nothing skipped

Wall-clock seconds are those of a machine that does nothing else, or they say little; processor seconds stand beside.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.edge import megabytes
from rheostat.records import environment, write_json

ROOT = Path(__file__).resolve().parent.parent
STEPS = {"install": ".venv/.ready", "demo": "demo", "test": "test"}
_TOLD_LINES = 40


def measure() -> dict[str, Any]:
    """Clone, and make one target after the other."""
    steps: dict[str, dict[str, float]] = {}
    told = ""
    with tempfile.TemporaryDirectory(prefix="rheostat-from-scratch-") as name:
        clone = Path(name) / "rheostat"
        _must(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], ROOT)
        for step, target in STEPS.items():
            began, before = time.monotonic(), _children()
            told = _must(["make", target], clone)
            steps[step] = {"wall_s": round(time.monotonic() - began, 1), "cpu_s": round(_children() - before, 1)}
            print(f"{step}: {steps[step]}", flush=True)
        commit = _must(["git", "rev-parse", "--short=12", "HEAD"], clone).strip()  # whatever is edited meanwhile
        passed, skipped = (sum(map(int, re.findall(rf"(\d+) {word}", told))) for word in ("passed", "skipped"))
        return {
            "bench": "from-scratch",
            "steps": steps,
            "tests": {"passed": passed, "skipped": skipped},
            "installed_mb": round(megabytes(clone / ".venv")),
            "report_mb": round(megabytes(clone / "rheostat-demo"), 1),
            "environment": environment() | {"commit": commit},
        }


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """One sentence for the README."""
    steps, tests, at = record["steps"], record["tests"], record["environment"]
    install, demo, test = (f"{steps[step]['wall_s'] / 60:.1f} min" for step in STEPS)
    skipped = f", {tests['skipped']} skipped" if tests["skipped"] else ""
    return {
        "text": (
            f"Measured in a fresh clone, on {at['cores']} cores of {at['processor']}: the environment takes {install} "
            f"and {record['installed_mb'] / 1000:.1f} GB, the demo {demo} ({steps['demo']['cpu_s']:.0f} s of the "
            f"processor), {tests['passed']:,} tests {test}{skipped}; commit {at['commit']}."
        )
    }


def _must(command: list[str], folder: Path) -> str:
    """What a command said that has to succeed, without the environment of whoever asks."""
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    folders = [part for part in variables["PATH"].split(os.pathsep) if not part.startswith(sys.prefix)]
    done = subprocess.run(  # noqa: S603 - arguments of our own
        command,
        cwd=folder,
        env=variables | {"PATH": os.pathsep.join(folders)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print("\n".join(done.stdout.splitlines()[-_TOLD_LINES:]))
        sys.exit(f"{' '.join(command)} ended with status {done.returncode}")
    return done.stdout


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, and write the record where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, help="write the record to this file")
    given = parser.parse_args()
    found = measure()
    if given.record is not None:
        write_json(given.record, found)
    print(pieces(found)["text"])


if __name__ == "__main__":
    main()
