"""Records of runs and benchmarks: written so that a kill at any moment leaves them readable."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rheostat.errors import StateError


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, whole or not at all."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        StateError: It is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StateError(f"there is no {path.name} in {path.parent}: is this the folder of a run?") from None
    except json.JSONDecodeError as error:
        raise StateError(f"{path} is not JSON (line {error.lineno}): restore it or start a new run") from None


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: into a neighbour that then takes its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    neighbour = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with neighbour.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        neighbour.replace(path)
    finally:
        neighbour.unlink(missing_ok=True)


class Journal:
    """A JSONL file that grows by one record at a time.

    A record is on the disk when `append` returns. What a kill cut short is not read; `keep_first` removes it.

    Args:
        path: The file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one record."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write((json.dumps(record) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[dict[str, Any]]:
        """All whole records, in order; none if the file does not exist."""
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().split(b"\n")
        return [json.loads(line) for line in lines[:-1]]  # what follows the last newline was cut short

    def keep_first(self, number: int) -> None:
        """Cut back to the first `number` records."""
        kept = self.read()[:number]
        write_bytes(self.path, b"".join((json.dumps(record) + "\n").encode() for record in kept))


def environment() -> dict[str, Any]:
    """What a number was measured on: machine, versions, threads, commit."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in ("rheostat", "torch", "numpy", "accelerate")},
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "commit": _commit(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in _lines(info) if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the source that runs, if it runs from a checkout."""
    source = Path(__file__).resolve()
    # an installed package may lie inside of a checkout of something else, which does not track it
    if not _git("ls-files", source.name, folder=source.parent):
        return None
    return _git("describe", "--always", "--dirty", "--abbrev=12", folder=source.parent) or None


def _git(*arguments: str, folder: Path) -> str:
    """What git prints; nothing if it fails or is not there."""
    try:
        done = subprocess.run(  # noqa: S603 - arguments of our own
            ["git", *arguments],  # noqa: S607 - whichever git there is
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip()
