"""The cameras of one node of a fleet, run in this process: a live node for each, by the plan of the placement."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rheostat.errors import RheostatError
from rheostat.share.base import Base
from rheostat.share.node.fleet import fleet_of
from rheostat.share.node.live import Node
from rheostat.share.node.settings import NodeSettings
from rheostat.share.plan import Plan
from rheostat.share.runner.profile import Profile, read_profile

log = logging.getLogger("rheostat.placement")


@dataclass(frozen=True)
class Order:
    """A camera that a node is to run.

    Attributes:
        source: As for `rheostat run`.
        plan: With its deployment.
        folder: That the deployment's paths start from.
    """

    camera: str
    source: str
    plan: Plan
    folder: Path

    def same_apps(self, other: Order) -> bool:
        """Whether only the budget may differ: then the node plans anew while it runs."""
        mine, theirs = ({app.name for app in order.plan.apps} for order in (self, other))
        return mine == theirs and (self.source, self.plan.deployment) == (other.source, other.plan.deployment)


@dataclass
class _Running:
    """A camera that runs."""

    order: Order
    node: Node
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    ended: bool = False
    failed: str = "it ended by a fault of the program: see the log"  # unless it ends otherwise


class Carrier:
    """Runs the cameras that it is told to, each in threads of its own.

    A context manager. All methods may be called from any thread, one at a time.

    Args:
        out: Each camera keeps its events in a folder of this one.
        speed: Of this node, as in the fleet: the costs of the layers are divided by it.
        settings: Of every camera's node (see `NodeSettings`), without source and out.
    """

    def __init__(self, out: Path, *, speed: float = 1.0, settings: Mapping[str, Any] | None = None) -> None:
        self._out, self._speed, self._settings = out, speed, dict(settings or {})
        self._running: dict[str, _Running] = {}
        self._refused: dict[str, str] = {}

    def __enter__(self) -> Carrier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def carry(self, orders: Sequence[Order]) -> None:
        """Run these cameras from now on, and no others. One that has the same apps goes on without a break."""
        wanted = {order.camera: order for order in orders}
        self._refused.clear()
        for name, running in list(self._running.items()):
            order = wanted.get(name)
            if order is None or not running.order.same_apps(order) or not _alive(running):
                self._end(name)
        for name, order in wanted.items():
            try:
                if name not in self._running:
                    self._begin(order)
                elif self._running[name].order.plan.budget != order.plan.budget:
                    self._running[name].node.set_budget(order.plan.budget)
                    self._running[name].order = order
            except (RheostatError, OSError) as error:
                self._refused[name] = str(error)
                log.warning("camera %s: %s", name, error)

    def status(self) -> dict[str, dict[str, Any]]:
        """What every camera does, JSON-able: `state` (running, ended, failed), `error`, the `status` of its node."""
        told = {name: {"state": "failed", "error": error, "status": None} for name, error in self._refused.items()}
        for name, running in self._running.items():
            state = "running" if _alive(running) else "ended" if running.ended else "failed"
            error = running.failed if state == "failed" else ""
            told[name] = {"state": state, "error": error, "status": running.node.status()}
        return told

    def close(self) -> None:
        """End all cameras, in the order in which nothing is lost."""
        for name in list(self._running):
            self._end(name)

    def _begin(self, order: Order) -> None:
        cores = max(1, math.ceil(order.plan.budget / 1000))
        values = {"cores": cores, **self._settings, "source": order.source, "out": self._out / order.camera}
        fleet = fleet_of(order.plan, order.folder, self._profile)
        running = _Running(order, Node(fleet, order.plan, NodeSettings.checked(values)))
        running.thread = threading.Thread(target=_run, args=(running,), name=f"camera-{order.camera}", daemon=True)
        self._running[order.camera] = running
        running.thread.start()

    def _end(self, name: str) -> None:
        running = self._running.pop(name)
        running.stop.set()
        assert running.thread is not None  # `_begin` starts it
        running.thread.join()
        running.node.close()

    def _profile(self, base: Base) -> Profile:
        """What the layers cost here, as the placement took it to be."""
        measured = read_profile(base)
        scaled = {
            name: getattr(measured, name) / self._speed for name in ("prepare_ms", "prepare_small_ms", "spread")
        } | {
            name: tuple(cost / self._speed for cost in getattr(measured, name))
            for name in ("core_ms", "before", "after")
        }
        return measured.model_copy(update=scaled)


def _alive(running: _Running) -> bool:
    return running.thread is not None and running.thread.is_alive()


def _run(running: _Running) -> None:
    try:
        running.node.run(running.stop)
        running.ended = True
    except (RheostatError, OSError) as error:
        running.failed = str(error)
        log.warning("camera %s ended: %s", running.order.camera, error)
