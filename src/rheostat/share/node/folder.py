"""A folder whose packages are run: what came, what changed, what went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rheostat.errors import RheostatError
from rheostat.share.package.document import PACKAGE_FILE, Package, read_package


@dataclass(frozen=True)
class Came:
    """A package is there that was not, or is another than it was."""

    folder: Path


@dataclass(frozen=True)
class Went:
    """A package is no longer there."""

    app: str


class WatchedFolder:
    """Looks for packages in a folder. One is there as soon as its `package.json` is, which is written last.

    Args:
        folder: Where to look.
        running: The packages that run already.
    """

    def __init__(self, folder: Path, running: Iterable[Package]) -> None:
        self._folder = folder
        self._names: dict[Path, str] = {}
        self._seen: dict[Path, tuple[int, int]] = {}
        there = self._stamps()
        for package in running:
            place = package.folder.resolve()
            if place in there:
                self._seen[place], self._names[place] = there[place], package.name

    def changes(self) -> list[Came | Went]:
        """What happened since the last call: first who came, so that a node is never without an app in between."""
        there = self._stamps()
        came = [place for place in there if self._seen.get(place) != there[place]]
        went = [place for place in self._seen if place not in there]
        self._seen = dict(there)
        names = [self._names.pop(place, None) for place in went]
        for place in came:
            names.append(self._names.get(place))  # it may have changed its name
            self._names[place] = _name_of(place)
        kept = set(self._names.values())  # a folder that was renamed holds the same app
        return [*map(Came, came), *(Went(name) for name in names if name and name not in kept)]

    def forget(self, folder: Path) -> None:
        """Take a package for new when it is next looked for."""
        self._seen[folder] = (-1, -1)  # a stamp that no file has, so that its going is still noticed

    def _stamps(self) -> Mapping[Path, tuple[int, int]]:
        found = {}
        for path in sorted(self._folder.glob(f"*/{PACKAGE_FILE}")):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            found[path.parent.resolve()] = (status.st_mtime_ns, status.st_size)
        return found


def _name_of(folder: Path) -> str:
    """Name of the app in a folder; of one that cannot be read nothing is known, and adding it will say why."""
    try:
        return read_package(folder).name
    except RheostatError:
        return ""
