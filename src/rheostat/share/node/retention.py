"""How long evidence is kept: by age and by room; the events themselves are kept for ever."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rheostat.errors import SettingsError, StateError
from rheostat.share.node.store import Store

_DAY = 86400.0
_MEGABYTE = 1e6
_LEFT_SECONDS = 3600.0
_SUFFIXES = (".jpg", ".mp4")


@dataclass(frozen=True)
class Retention:
    """What is kept.

    Attributes:
        days: Age of the oldest files, above 0; None = any age.
        megabytes: Room of all files together, above 0; None = any. The oldest go first.
        messages: That sinks were not told yet, at most; and at most `days` old.
    """

    days: float | None = 30.0
    megabytes: float | None = 2000.0
    messages: int = 100_000

    def __post_init__(self) -> None:
        for name in ("days", "megabytes", "messages"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SettingsError(f"{name} is {value:g}: must be above 0")


@dataclass(frozen=True)
class File:
    """A file of evidence: its name, its size in bytes, and the wall clock when it was written."""

    name: str
    size: int
    written_at: float


def beyond(files: Iterable[File], retention: Retention, *, now: float) -> list[File]:
    """Tell which files are to be removed, the oldest first."""
    oldest_first = sorted(files, key=lambda file: (file.written_at, file.name))
    room = sum(file.size for file in oldest_first)
    removed = []
    for file in oldest_first:
        too_old = retention.days is not None and now - file.written_at > retention.days * _DAY
        too_much = retention.megabytes is not None and room > retention.megabytes * _MEGABYTE
        if not too_old and not too_much:
            break
        room -= file.size
        removed.append(file)
    return removed


def tidy(folder: Path, store: Store, retention: Retention, *, now: float) -> list[str]:
    """Remove what is beyond the bounds; a node does it at its start and every few minutes.

    Args:
        folder: Of the evidence.
        store: Whose events are told that their files are gone, and whose outbox is cut back.
        retention: The bounds.
        now: Wall clock in seconds.

    Returns:
        Names of the files that were removed; one that could not be stays for the next time.

    Raises:
        StateError: The store cannot be written; what is beyond the bounds is removed all the same.
    """
    going = [file.name for file in beyond(_files(folder), retention, now=now)]
    try:
        # the store first: who dies in between leaves files too many, and no event that names one that is gone
        store.without_files(going)
        untold = False
    except StateError:
        untold = True  # the disk may be full: then only what follows makes room for it
    removed = [name for name in going if _removed(folder / name)]
    if untold:
        store.without_files(removed)
    for path in folder.glob("*.tmp"):  # of a node that was killed while it wrote
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > _LEFT_SECONDS:
                path.unlink()
    days = retention.days if retention.days is not None else float("inf")
    store.outbox.trim(messages=retention.messages, seconds=days * _DAY)
    return removed


def _removed(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _files(folder: Path) -> Iterable[File]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.suffix in _SUFFIXES:
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            yield File(path.name, status.st_size, status.st_mtime)
