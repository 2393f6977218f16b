"""A Ray cluster as workshop and as fleet: packages built in parallel, and nodes that run as actors.

Ray moves the work and notices what has died; what is done is done by our own objects. Everything lies in folders that
all machines of the cluster must see under the same path. Call `ray.init` before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from rheostat.errors import MissingExtraError, SettingsError, StateError
from rheostat.share.base import read_base
from rheostat.share.package.document import PACKAGE_FILE, Package, read_package
from rheostat.share.placement import FleetDocument, Frontiers, Placement, place
from rheostat.share.placement.carrying import Carrier, Order
from rheostat.share.placement.gathering import gathered, keep
from rheostat.share.stem import Network
from rheostat.share.trainer import PackageSettings, Progress, make_package, prepare_package, train_heads

if TYPE_CHECKING:
    from ray import ObjectRef

try:
    import ray
    from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError
except ModuleNotFoundError:
    raise MissingExtraError("this needs Ray: pip install 'rheostat[ray]'") from None

__all__ = ["PackageOrder", "RayFleet", "build_packages"]

RETRIES = 3  # of a task whose worker was killed
ANSWER_SECONDS = 30.0  # after which a node that says nothing is taken for lost
BEGIN_SECONDS = 10.0  # more for each camera that a node is told to carry: its networks are opened before it answers
PLACING_SECONDS = 20.0  # that cameras of a lost node wait for a better placement


@dataclass(frozen=True)
class PackageOrder:
    """A package to be made; for the fields see `rheostat.share.trainer.make_package`."""

    name: str
    positive: str
    data: tuple[Path, ...]
    out: Path
    branch_points: tuple[int, ...] | None = None
    settings: PackageSettings = field(default_factory=PackageSettings)

    def absolute(self) -> PackageOrder:
        """The same order where another folder is the current one."""
        return replace(self, data=tuple(Path(path).resolve() for path in self.data), out=Path(self.out).resolve())

    def arguments(self) -> dict[str, Any]:
        """As `make_package` takes them, behind network and base."""
        named = {name: getattr(self, name) for name in ("name", "positive", "branch_points", "settings")}
        return {"data": self.data, "out": self.out, **named}


def build_packages(
    load: Callable[[], Network],
    base: Path | str,
    orders: Sequence[PackageOrder],
    *,
    threads: int = 1,
    progress: Progress | None = None,
) -> list[Package]:
    """Make packages on the cluster: one task per app and branch point, of one app one after another.

    A shallower head starts from the deeper one before it, so only apps run side by side. Each task does what
    `make_package` would do next, so a package is the one that `rheostat package` makes with as many threads, bit for
    bit. A task whose worker was killed is tried again from its last checkpoint, and a second call goes on where the
    first one stopped: what is finished stays, and is not made again.

    Args:
        load: Gives the base to learn on, on any machine, e.g. ``partial(load_base, "efficientnet-lite0")``.
        base: Folder of the same base, exported.
        orders: What to make, each in a folder of its own.
        threads: Of each task; it takes as many CPUs of the cluster.
        progress: Told after each task.

    Raises:
        SettingsError, DataError, StateError: As `make_package`; what is wrong with an order is found before any task is
            started. What fails later is raised once all other packages are made.
    """
    _must_run()
    orders = [order.absolute() for order in orders]
    if len({order.out for order in orders}) < len(orders):
        raise SettingsError("two orders have the same out: give each package a folder of its own")
    network, exported = load(), read_base(Path(base).resolve())
    last: list[ObjectRef[None]] = []
    waiting: list[ObjectRef[None]] = []
    work = ray.remote(_train_on).options(num_cpus=threads, max_retries=RETRIES)
    todo: list[tuple[PackageOrder, Sequence[int]]] = []
    for order in orders:  # all of them first: what is wrong with one is found before any is begun
        if _made(order):
            read_package(order.out).must_fit(exported)
        else:
            todo.append((order, prepare_package(network, exported, **order.arguments()).order))
    for order, points in todo:
        done = None
        for following in (*points[1:], None):
            done = work.remote(load, exported.folder, order, following, threads, done)
            waiting.append(done)
        assert done is not None
        last.append(done)
    total = len(waiting)
    try:
        while waiting:
            _, waiting = ray.wait(waiting)
            if progress is not None:
                progress(1 - len(waiting) / total, f"{total - len(waiting)} of {total} heads")
    except BaseException:  # Ctrl-C: a second call must find nobody at work in the folders
        for task in waiting:
            ray.cancel(task)
        if waiting:
            ray.wait(waiting, num_returns=len(waiting), timeout=ANSWER_SECONDS)
        raise
    for done in last:
        try:
            ray.get(done)
        except RayTaskError as error:
            raise _cause(error) from None
    return [read_package(order.out) for order in orders]


def _train_on(
    load: Callable[[], Network], base: Path, order: PackageOrder, following: int | None, threads: int, after: None
) -> None:
    """Go on with a package until the branch point `following` begins; None = to its end. `after` is only waited for."""
    del after
    if _made(order):  # by this very task, which was killed as it ended
        return
    torch.set_num_threads(threads)
    network, exported = load(), read_base(base)
    if following is None:
        make_package(network, exported, **order.arguments())
    else:
        train_heads(prepare_package(network, exported, **order.arguments()), before=following)


def _made(order: PackageOrder) -> bool:
    return (order.out / PACKAGE_FILE).exists()


class RayFleet:
    """A fleet that runs: an actor for every node, which runs its cameras by the plans of a placement.

    A node of the fleet runs on the Ray node that was started with a resource of its name
    (``ray start --resources '{"shed": 1}'``), and where the cluster has none of that name, anywhere. An actor that is
    lost is not started again: its cameras are placed on the nodes that are left, as `rheostat.share.placement.place`
    does from an earlier placement. A context manager.

    Args:
        fleet: Its cameras have sources, and packages whose base lies with its profile.
        folder: That the paths in the fleet start from.
        out: For plans, the placement, and in `events/NODE/CAMERA` what is seen.
        settings: Of every camera's node (see `rheostat.share.node.NodeSettings`), without source and out.

    Attributes:
        fleet: As it is now, without the nodes that were lost.
        placement: What runs.
        lost: Names of the nodes that were lost, in order.

    Raises:
        SettingsError: A camera has no source, or no packages; or as for `gathered`.
    """

    def __init__(
        self, fleet: FleetDocument, folder: Path | str, out: Path | str, *, settings: Mapping[str, Any] | None = None
    ) -> None:
        _must_run()
        self.fleet, self._out = fleet, Path(out).resolve()
        self._apps = gathered(fleet, Path(folder).resolve())
        for camera in fleet.cameras:
            if camera.source is None or not camera.packages:
                missing = "source" if camera.source is None else "packages"
                raise SettingsError(f"camera {camera.name!r} has no {missing}: a fleet that runs needs both")
        self._sources = {camera.name: camera.source or "" for camera in fleet.cameras}
        self._known = Frontiers()
        self.lost: list[str] = []
        self.placement = self._placed(None)
        pinned = ray.cluster_resources()
        self._actors: dict[str, Any] = {}
        try:
            for node in fleet.nodes:
                resources = {node.name: 1e-3} if node.name in pinned else None
                made = _Actor.options(num_cpus=0, resources=resources, scheduling_strategy="SPREAD")
                place_of = self._out / "events" / node.name
                self._actors[node.name] = made.remote(place_of, node.speed, dict(settings or {}))
            self._tell()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self) -> dict[str, Any]:
        """Ask every node how it is; of those that are lost, place the cameras again. Call it every few seconds.

        Returns:
            By node: `pid` of its process, and `cameras` as `Carrier.status` tells them.

        Raises:
            StateError: No node is left.
        """
        told, gone = self._ask(lambda actor, _: actor.status.remote())
        while gone:
            self._give_up(gone)
            gone = self._tell()
        return {name: status for name, status in told.items() if name in self._actors}

    def close(self) -> None:
        """End all cameras, and the actors."""
        try:
            self._ask(lambda actor, _: actor.close.remote())
        finally:
            for actor in self._actors.values():
                ray.kill(actor)
            self._actors.clear()

    def _placed(self, previous: Placement | None) -> Placement:
        workloads = {name: apps.workload for name, apps in self._apps.items()}
        limit = None if previous is None else PLACING_SECONDS
        found = place(self.fleet.nodes, workloads, previous=previous, time_limit=limit, known=self._known)
        keep(self._out, found, self._apps)
        self._plans = {
            file: self._apps[Path(file).stem].deployed(plan, self._out / Path(file).parent)
            for file, plan in found.plans.items()
        }
        return found.placement

    def _give_up(self, gone: Sequence[str]) -> None:
        self.lost += gone
        for name in gone:
            ray.kill(self._actors.pop(name))  # one that hangs must not come back
        if not self._actors:
            raise StateError(f"all nodes are lost, the last one was {self.lost[-1]!r}: start the fleet anew")
        self.fleet = self.fleet.without(gone)
        self.placement = self._placed(self.placement)

    def _tell(self) -> list[str]:
        """Have every node run what the placement says; return those that are lost."""
        orders = {
            node.name: [
                Order(camera.camera, self._sources[camera.camera], self._plans[camera.plan], self._out / node.name)
                for camera in node.cameras
            ]
            for node in self.placement.nodes
        }
        most = max(map(len, orders.values()))
        return self._ask(lambda actor, name: actor.carry.remote(orders[name]), ANSWER_SECONDS + most * BEGIN_SECONDS)[1]

    def _ask(
        self, question: Callable[[Any, str], ObjectRef[Any]], seconds: float = ANSWER_SECONDS
    ) -> tuple[dict[str, Any], list[str]]:
        """The answers of the nodes, and who gave none within so many seconds."""
        asked = {name: question(actor, name) for name, actor in self._actors.items()}
        if asked:
            ray.wait(list(asked.values()), num_returns=len(asked), timeout=seconds)
        told, gone = {}, []
        for name, reference in asked.items():
            try:
                told[name] = ray.get(reference, timeout=0)
            except RayTaskError as error:
                raise _cause(error) from None
            except (RayActorError, GetTimeoutError):
                gone.append(name)
        return told, gone


class _Carrying:
    """A `Carrier` in a process of its own."""

    def __init__(self, out: Path, speed: float, settings: dict[str, Any]) -> None:
        self._carrier = Carrier(out, speed=speed, settings=settings)

    def carry(self, orders: list[Order]) -> None:
        """Run these cameras, and no others."""
        self._carrier.carry(orders)

    def status(self) -> dict[str, Any]:
        """The process, and its cameras."""
        return {"pid": os.getpid(), "cameras": self._carrier.status()}

    def close(self) -> None:
        """End all cameras."""
        self._carrier.close()


_Actor = ray.remote(max_restarts=0)(_Carrying)


def _cause(error: RayTaskError) -> BaseException:
    """What went wrong in a task, without Ray's wrapping."""
    return error.cause if isinstance(error.cause, BaseException) else error


def _must_run() -> None:
    if not ray.is_initialized():
        raise StateError("there is no Ray cluster: call ray.init() first, with the address of one or for a local one")
