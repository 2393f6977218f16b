"""From packages to the workload that is planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheostat.errors import SettingsError, StateError
from rheostat.share.base import BASE_FILE, Base, read_base
from rheostat.share.checking import SCHEMA
from rheostat.share.package.document import Package
from rheostat.share.package.held_out import detection_at
from rheostat.share.plan import Deployment, EventModel, Plan, Workload, read_workload

if TYPE_CHECKING:
    from rheostat.share.runner.profile import Profile

USUAL_STREAM_FPS = 10.0
SLOWEST = 0.5  # of the rates that are offered by default


@dataclass(frozen=True)
class CameraApps:
    """What is to be planned for one camera, and where it came from: the rest is there if it came from packages."""

    workload: Workload
    packages: tuple[Package, ...] = ()
    base: Base | None = None
    picture: tuple[int, int] | None = None

    def deployed(self, plan: Plan, folder: Path) -> Plan:
        """A plan of these apps, or of some, with what a node needs to find; paths are as seen from `folder`.

        The plan as it is if they came from a workload, which names no networks.
        """
        if self.base is None:
            return plan
        planned = {app.name for app in plan.apps}
        found = Deployment(
            base=relative(self.base.folder, folder),
            packages={one.name: relative(one.folder, folder) for one in self.packages if one.name in planned},
            stream_fps=self.workload.stream_fps,
            fps=self.workload.fps,
            event_model=self.workload.event_model,
            picture=self.picture,
        )
        return plan.model_copy(update={"deployment": found})


def apps_of(
    packages: Sequence[Package],
    base: Base,
    profile: Profile,
    *,
    picture: tuple[int, int] | None = None,
    stream_fps: float | None = None,
    event_model: EventModel = "paper",
) -> CameraApps:
    """Say what is to be planned for a camera whose apps have these packages, on the node of a profile.

    Args:
        packages: One per app.
        base: What they were trained on.
        profile: What its layers cost.
        picture: Width and height of the camera's pictures, in pixels; None = 1280 x 720.
        stream_fps: As for `workload_of`.
        event_model: As for `workload_of`.

    Raises:
        SettingsError, StateError: As `workload_of`.
    """
    workload = workload_of(
        packages,
        base,
        layer_cost=profile.core_ms,
        picture_cost=profile.picture_ms(*(picture or ())),
        stream_fps=stream_fps,
        event_model=event_model,
    )
    return CameraApps(workload, tuple(packages), base, picture)


def workload_of(
    packages: Sequence[Package],
    base: Base,
    *,
    layer_cost: Sequence[float],
    picture_cost: float = 0.0,
    stream_fps: float | None = None,
    fps: Sequence[float] | None = None,
    event_model: EventModel = "paper",
) -> Workload:
    """Say what is to be planned for a node that runs these packages.

    Args:
        packages: One per app. Variants that another one dominates are left out.
        base: What they were trained on.
        layer_cost: Core-milliseconds per frame of each layer of the base on the node, as profiled there.
        picture_cost: The same for preparing a frame.
        stream_fps: Frames per second that the apps may look at, > 0; None = `usual_stream_fps`.
        fps: Rates that a plan may choose from, rising; None = `usual_rates`.
        event_model: `paper` foretells from the rates per frame; `profiled` replays the held-out frames, at the rate
            of that video, and is the better one if they show many events.

    Raises:
        SettingsError: Two packages have one name, or a number is outside its range.
        StateError: A package was trained on another base.
    """
    for name, times in Counter(package.name for package in packages).items():
        if times > 1:
            raise SettingsError(f"{times} packages are called {name!r}: make all but one anew under another --name")
    for package in packages:
        package.must_fit(base)
    stream_fps = usual_stream_fps(packages) if stream_fps is None else stream_fps
    rates = usual_rates(stream_fps) if fps is None else list(fps)
    return read_workload(
        {
            "schema": SCHEMA,
            "stream_fps": stream_fps,
            "fps": rates,
            "event_model": event_model,
            "layer_cost": list(layer_cost),
            "picture_cost": picture_cost,
            "head": base.document.head,
            "apps": [_app(package, rates, event_model) for package in packages],
        }
    )


def usual_stream_fps(packages: Sequence[Package]) -> float:
    """The rate of the slowest video that a package was measured on, at most 10 frames per second.

    A package that was judged by single pictures tells no rate.
    """
    measured = [package.document.stream_fps for package in packages if package.document.events.count]
    return min([USUAL_STREAM_FPS, *measured])


def usual_rates(stream_fps: float) -> list[float]:
    """A frame every two seconds, and every whole number of frames per second that the stream has."""
    return [rate for rate in (SLOWEST, *range(1, int(stream_fps) + 1)) if rate <= stream_fps] or [stream_fps]


def find_base(packages: Sequence[Package]) -> Base:
    """Find the base of packages where `rheostat package` puts it: beside them, or in one of them.

    Raises:
        StateError: It is not there.
    """
    wanted = packages[0].document.base
    places = sorted({package.folder.resolve().parent for package in packages})
    for place in places:
        for path in sorted(place.glob(f"*/{BASE_FILE}")):
            try:
                found = read_base(path.parent)
            except (SettingsError, StateError):
                continue  # a neighbour that cannot be read does not stand in the way of the right one
            if found.document.hash == wanted.hash:
                return found
    raise StateError(
        f"base {wanted.name!r} ({wanted.hash[:12]}) of package {packages[0].name!r} is not beside it in "
        f"{', '.join(map(str, places))}: name its folder with --base"
    )


def relative(folder: Path, to: Path) -> str:
    """The path of a folder as a plan in the folder `to` names it: from there if it lies below, else absolute."""
    folder, to = folder.resolve(), to.resolve()
    return str(folder.relative_to(to)) if folder.is_relative_to(to) else str(folder)


def _app(package: Package, fps: Sequence[float], event_model: EventModel) -> dict[str, Any]:
    document = package.document
    votes = None if document.votes is None else list(document.votes)
    points: list[dict[str, Any]] = [
        {"frozen": variant.frozen, "hit": variant.hit, "false_positive": variant.false_positive}
        for variant in document.branch_points
        if not variant.dominated
    ]
    if event_model == "profiled":
        scores = package.held_out()
        for point in points:
            found = detection_at(scores, point["frozen"], fps=fps, votes=votes, threshold=document.threshold)
            point |= {"recall": found.recall.tolist(), "precision": found.precision.tolist()}
    return {
        "name": document.name,
        "event_seconds": document.events.seconds,
        "event_frequency": document.events.frequency,
        "correlation": document.events.correlation.model_dump(),
        "votes": votes,
        "branch_points": points,
    }
