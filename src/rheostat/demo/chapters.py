"""A chapter that is over is not run again; one that was interrupted goes on; one with other settings begins anew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rheostat.demo.scale import CHAPTERS, Scale
from rheostat.errors import SettingsError
from rheostat.records import environment, read_json, write_json

Progress = Callable[[float, str], None]
"""share of the work done, in [0, 1], and one line on how it goes."""

MARKER = "demo.json"
OURS = ("report.html", "record.json", "figures", *CHAPTERS)  # all that is ever written, but for the marker
_COMPARED = ("packages", "python", "commit")  # a chapter begun by other versions begins anew
_STATE, _RECORD, _SPENT = "begun.json", "chapter.json", "spent.json"


@dataclass(frozen=True)
class Chapter:
    """A chapter in its folder.

    Attributes:
        name: One of `CHAPTERS`.
        folder: Where it works.
        scale: Of the whole demo.
        jobs: Processes side by side.
    """

    name: str
    folder: Path
    scale: Scale
    jobs: int

    def finished(self) -> dict[str, Any] | None:
        """Its record, if it is over."""
        return read_json(self.folder / _RECORD) if (self.folder / _RECORD).exists() else None

    def prepare(self) -> None:
        """Make its folder, or empty it if another one was begun in it."""
        if not self.fits():
            shutil.rmtree(self.folder, ignore_errors=True)
            write_json(self.folder / _STATE, self._asked())

    def fits(self) -> bool:
        """Whether what is there was begun with these settings, by these versions."""
        state = self.folder / _STATE
        return state.exists() and read_json(state) == self._asked()

    def _asked(self) -> dict[str, Any]:
        here = environment()
        return _as_json({"settings": self.scale.told(self.name), **{name: here[name] for name in _COMPARED}})

    def finish(self, record: dict[str, Any]) -> dict[str, Any]:
        """Keep its record, with the processor seconds of all sessions that it took."""
        told = {
            "chapter": self.name,
            "settings": _as_json(self.scale.told(self.name)),
            "environment": environment(),
            "jobs": self.jobs,
            **record,
        }
        write_json(self.folder / _RECORD, told)
        return told

    @contextmanager
    def clocked(self) -> Iterator[Callable[[], float]]:
        """Count processor seconds of this process and of those that it started, over all sessions; gives the sum."""
        before, path = _processor_seconds(), self.folder / _SPENT
        earlier = read_json(path)["cpu_seconds"] if path.exists() else 0.0

        def spent() -> float:
            return earlier + _processor_seconds() - before

        try:
            yield spent
        finally:
            write_json(path, {"cpu_seconds": spent()})


def claim(folder: Path) -> None:
    """Make the folder the demo's own.

    Raises:
        SettingsError: It is a file, or holds something of that name which is not the demo's.
    """
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file: name a folder with --out")
    if (folder / MARKER).exists():
        return
    there = [name for name in OURS if (folder / name).exists()]
    if there:
        raise SettingsError(
            f"{folder} holds {there[0]}, which no demo of this version has made: name another folder with --out, or "
            "remove it"
        )
    write_json(folder / MARKER, {"schema": 1})


def _as_json(value: Any) -> Any:
    """With lists for tuples, as a file gives it back."""
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, list | tuple) else value


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
