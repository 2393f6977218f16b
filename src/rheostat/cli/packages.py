"""What a command was given to plan: a workload, or packages on this node."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rheostat.cli.terminal import err, progress_bar
from rheostat.errors import SettingsError
from rheostat.share.base import Base, read_base
from rheostat.share.package.document import PACKAGE_FILE, read_package
from rheostat.share.package.workload import CameraApps, apps_of, find_base
from rheostat.share.plan import EventModel, read_workload

if TYPE_CHECKING:
    from rheostat.share.runner.profile import Profile

USABLE = 0.8  # of a node's cores, where no budget is given: the rest decodes, writes and breathes


def asked_for(
    sources: Sequence[Path],
    *,
    base: Path | None = None,
    stream_fps: float | None = None,
    event_model: EventModel | None = None,
    picture: tuple[int, int] | None = None,
    quiet: bool = False,
) -> CameraApps:
    """Read a workload file, or packages and what their base costs on this node, which is measured if it was not yet.

    Raises:
        SettingsError: The sources are neither, or an option does not go with them.
        StateError: A package does not fit the base.
    """
    if len(sources) == 1 and not sources[0].is_dir():
        if (base, stream_fps, event_model, picture) != (None, None, None, None):
            raise SettingsError(
                "--base, --stream-fps, --event-model and --picture go with packages: a workload says these itself"
            )
        return CameraApps(read_workload(sources[0]))
    packages = tuple(read_package(folder) for source in sources for folder in _folders(source))
    found = read_base(base) if base is not None else find_base(packages)
    apps = apps_of(
        packages,
        found,
        profiled(found, quiet=quiet),
        picture=picture,
        stream_fps=stream_fps,
        event_model=event_model or "paper",
    )
    budget = USABLE * 1000 * (os.cpu_count() or 1)
    return replace(apps, workload=apps.workload.model_copy(update={"budget": budget}))


def profiled(base: Base, *, quiet: bool = False) -> Profile:
    """What the layers of a base cost on this node; measured if that was not done yet, or on another node."""
    from rheostat.share.runner.profile import PROFILE_FILE, measure, read_profile, write_profile

    if (base.folder / PROFILE_FILE).exists():
        profile = read_profile(base)
        if (why := profile.differs_from_here()) is None:
            return profile
        if not quiet:
            err.print(why, markup=False, highlight=False)
    with progress_bar(shown=not quiet) as progress:
        profile = measure(base, progress=lambda share: progress(share, "measuring what the layers cost on this node"))
    write_profile(base, profile)
    return profile


def _folders(source: Path) -> list[Path]:
    """The package that a folder is, or all those in it."""
    if (source / PACKAGE_FILE).exists():
        return [source]
    found = sorted(path.parent for path in source.glob(f"*/{PACKAGE_FILE}"))
    if not found:
        what = "holds no package" if source.is_dir() else "is neither a folder of a package nor, alone, a workload file"
        raise SettingsError(f"{source} {what}: make packages with `rheostat package`")
    return found
