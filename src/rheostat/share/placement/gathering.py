"""From a fleet document to what is placed: the workload of every camera, and what its plans must say to be run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rheostat.errors import SettingsError
from rheostat.share.base import Base, read_base
from rheostat.share.package.document import read_package
from rheostat.share.package.workload import CameraApps, apps_of, find_base
from rheostat.share.placement.document import (
    PLACEMENT_FILE,
    FleetCamera,
    FleetDocument,
    read_placement,
    write_placement,
)
from rheostat.share.placement.placing import Placed
from rheostat.share.plan import read_workload, write

if TYPE_CHECKING:
    from rheostat.share.runner.profile import Profile


def gathered(
    fleet: FleetDocument, folder: Path, profiled: Callable[[Base], Profile] | None = None
) -> dict[str, CameraApps]:
    """Read what every camera of a fleet runs; what several cameras name alike is read once.

    Args:
        fleet: The cameras.
        folder: That their paths start from.
        profiled: What the layers of a base cost on a core of speed 1; None = as was measured and lies in its folder.

    Raises:
        SettingsError: A file or folder is missing, or wrong.
        StateError: A package was trained on another base than the one beside it.
    """
    known: dict[FleetCamera, CameraApps] = {}
    found = {}
    for camera in fleet.cameras:
        asked = camera.model_copy(update={"name": "-", "source": None})
        if asked not in known:
            known[asked] = _read(camera, folder, profiled or _as_measured)
        found[camera.name] = known[asked]
    return found


def keep(folder: Path, placed: Placed, cameras: Mapping[str, CameraApps]) -> None:
    """Write the plans of all nodes and then the placement; plans of an earlier placement there that are no more go.

    Args:
        folder: It holds `placement.json` and `NODE/CAMERA.json` afterwards.
        placed: What was found.
        cameras: As gathered.
    """
    stale, plans = [], {file.casefold() for file in placed.plans}  # some systems take Shed for shed
    if (folder / PLACEMENT_FILE).exists():
        had = [(node.name, camera.camera) for node in read_placement(folder).nodes for camera in node.cameras]
        files = [f"{node}/{camera}.json" for node, camera in had]  # both names are checked to be such of files
        stale = [folder / file for file in files if file.casefold() not in plans]
    for node in placed.placement.nodes:
        for camera in node.cameras:
            target = folder / camera.plan
            target.parent.mkdir(parents=True, exist_ok=True)
            write(target, cameras[camera.camera].deployed(placed.plans[camera.plan], target.parent))
    write_placement(folder, placed.placement)
    for file in stale:  # at the end: a placement names no plan that is not there, whenever this is cut short
        file.unlink(missing_ok=True)


def _read(camera: FleetCamera, folder: Path, profiled: Callable[[Base], Profile]) -> CameraApps:
    if camera.workload is not None:
        return CameraApps(read_workload(folder / camera.workload))
    packages = tuple(read_package(folder / place) for place in camera.packages)
    base = read_base(folder / camera.base) if camera.base is not None else find_base(packages)
    return apps_of(
        packages,
        base,
        profiled(base),
        picture=camera.picture,
        stream_fps=camera.stream_fps,
        event_model=camera.event_model,
    )


def _as_measured(base: Base) -> Profile:
    from rheostat.share.runner.profile import PROFILE_FILE, read_profile

    if not (base.folder / PROFILE_FILE).exists():
        raise SettingsError(
            f"{base.folder} holds no {PROFILE_FILE}, what its layers cost: measure it on a machine of speed 1 with "
            "`rheostat plan` of its packages"
        )
    return read_profile(base)
