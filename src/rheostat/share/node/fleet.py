"""The apps of a node, and the plans that it can carry out with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from rheostat.errors import SettingsError
from rheostat.share.base import Base, read_base
from rheostat.share.package.document import Package, read_package
from rheostat.share.package.workload import CameraApps, workload_of
from rheostat.share.plan import EventModel, Plan, Workload
from rheostat.share.runner.profile import Profile
from rheostat.share.scheduler import Sharing, least_budget, plan

PLANNING_SECONDS = 2.0  # a node that must give way waits no longer for a proof


@dataclass(frozen=True)
class Fleet:
    """What a node chooses plans from. It does not change: `with_app` and `without` give another one.

    Attributes:
        base: What all apps were trained on.
        packages: By the name of the app; at least one.
        layer_cost, picture_cost: Core-milliseconds per frame on this node.
        stream_fps, fps, event_model: As in a workload.
        objective, sharing: As for `rheostat.share.scheduler.plan`.
    """

    base: Base
    packages: Mapping[str, Package]
    layer_cost: tuple[float, ...]
    picture_cost: float
    stream_fps: float
    fps: tuple[float, ...]
    event_model: EventModel = "paper"
    objective: str = "mean"
    sharing: Sharing = "any"

    @classmethod
    def of(cls, apps: CameraApps) -> Fleet:
        """What runs if these are planned.

        Raises:
            SettingsError: They came from a workload, which names no networks.
        """
        if apps.base is None:
            raise SettingsError("a workload names no networks to run: give packages, as `rheostat package` makes them")
        asked = apps.workload
        return cls(
            base=apps.base,
            packages={package.name: package for package in apps.packages},
            layer_cost=asked.layer_cost,
            picture_cost=asked.picture_cost,
            stream_fps=asked.stream_fps,
            fps=asked.fps,
            event_model=asked.event_model,
        )

    @cached_property  # held-out scores are read and replayed for it
    def workload(self) -> Workload:
        """What is planned."""
        return workload_of(
            list(self.packages.values()),
            self.base,
            layer_cost=self.layer_cost,
            picture_cost=self.picture_cost,
            stream_fps=self.stream_fps,
            fps=self.fps,
            event_model=self.event_model,
        )

    def with_app(self, package: Package) -> Fleet:
        """The fleet with an app more, or with a newer package of one that it has.

        Raises:
            StateError: The package was trained on another base.
        """
        package.must_fit(self.base)
        return replace(self, packages={**self.packages, package.name: package})

    def without(self, name: str) -> Fleet:
        """The fleet without an app.

        Raises:
            SettingsError: It has no such app, or no other.
        """
        if name not in self.packages:
            raise SettingsError(f"there is no app {name!r}: the node runs {', '.join(sorted(self.packages))}")
        if len(self.packages) == 1:
            raise SettingsError(f"{name!r} is the only app: add another one before, or end the node")
        return replace(self, packages={key: package for key, package in self.packages.items() if key != name})

    def least(self) -> float:
        """Cost of the cheapest plan, in core-milliseconds per second of stream."""
        return least_budget(self.workload, sharing=self.sharing)

    def plan(self, budget: float, previous: Plan | None = None) -> Plan:
        """The best plan for a budget, or the best that is found in `PLANNING_SECONDS`.

        Raises:
            InfeasibleError: Nothing fits the budget.
        """
        return plan(
            self.workload,
            budget=budget,
            objective="min" if self.objective == "min" else "mean",
            sharing=self.sharing,
            time_limit=PLANNING_SECONDS,
            previous=previous,
        )


def fleet_of(plan: Plan, folder: Path, profiled: Callable[[Base], Profile]) -> Fleet:
    """Find what a plan in `folder` was made of; `profiled` measures a base on this node.

    Raises:
        SettingsError: The plan was made from a workload; or a folder holds no package or base.
        StateError: A package was trained on another base.
    """
    deployment = plan.deployment
    if deployment is None:
        raise SettingsError(
            "the plan was made from a workload, which names no networks to run: plan packages instead, with "
            "`rheostat plan PACKAGES... --out plan.json`"
        )
    base = read_base(folder / deployment.base)
    packages = {name: read_package(folder / place) for name, place in deployment.packages.items()}
    for name, package in packages.items():
        if name != package.name:
            raise SettingsError(f"the plan has {package.folder} as {name!r}, and that is {package.name!r}: plan anew")
        package.must_fit(base)
    for app in plan.apps:
        if app.name not in packages:
            raise SettingsError(f"app {app.name!r} of the plan has no package in its deployment: plan anew")
    profile = profiled(base)
    return Fleet(
        base=base,
        packages=packages,
        layer_cost=profile.core_ms,
        picture_cost=profile.picture_ms(*(deployment.picture or ())),
        stream_fps=deployment.stream_fps,
        fps=deployment.fps,
        event_model=deployment.event_model,
        objective=plan.objective,
        sharing=plan.sharing if plan.sharing in ("any", "head", "max", "none") else "any",
    )


def what_runs(plan: Plan) -> tuple[tuple[str, int, float, int | None], ...]:
    """Name, frozen layers, rate and votes of every app: two plans that are alike in these run the same."""
    return tuple((app.name, app.frozen, app.fps, app.votes) for app in plan.apps)


def short_hash(plan: Plan) -> str:
    """Twelve hexadecimal digits for what a plan runs."""
    return hashlib.sha256(json.dumps(what_runs(plan)).encode()).hexdigest()[:12]
