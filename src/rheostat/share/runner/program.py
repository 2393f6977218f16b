"""What is run for a plan: the networks, in order, and how often each.

The tree is that of `rheostat.share.tree.grow`. Here it is cut as little as the plan allows: between two layers only
where an app leaves the stem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rheostat.errors import SettingsError
from rheostat.share.plan import AppPlan, Plan


@dataclass(frozen=True)
class Stretch:
    """Layers `start` to `end` - 1 of the stem, run as one network `fps` times per second.

    Attributes:
        apps: Names of the apps that need it, in the order of the plan.
    """

    start: int
    end: int
    fps: float
    apps: tuple[str, ...]

    def __str__(self) -> str:
        return f"layers {self.start} to {self.end - 1} at {self.fps:g} fps for {', '.join(self.apps)}"


@dataclass(frozen=True)
class Head:
    """An app's own layers, from `frozen` on, run as one network `fps` times per second."""

    app: str
    frozen: int
    fps: float

    def __str__(self) -> str:
        return f"{self.app} from layer {self.frozen} at {self.fps:g} fps"


@dataclass(frozen=True)
class Program:
    """A plan as networks to run.

    Attributes:
        layers: Number of layers of the base.
        stem: From the input inwards, each starting where the last one ended; empty if every app has all layers for
            itself.
        heads: One per app: those that leave the stem first come first, at one joint in the order of the plan.
    """

    layers: int
    stem: tuple[Stretch, ...]
    heads: tuple[Head, ...]

    @property
    def rates(self) -> tuple[float, ...]:
        """The different rates of the apps, highest first."""
        return tuple(sorted({head.fps for head in self.heads}, reverse=True))

    def __str__(self) -> str:
        lines = [f"stem   {stretch}" for stretch in self.stem] + [f"head   {head}" for head in self.heads]
        return "\n".join(lines)


def program(plan: Plan, layers: int) -> Program:
    """Lay out what a plan runs on a base of `layers` layers.

    Raises:
        SettingsError: An app of the plan freezes all layers of the base, or more: it has none left to tell its classes.
    """
    for app in plan.apps:
        if app.frozen >= layers:
            raise SettingsError(
                f"app {app.name!r} of the plan has {app.frozen} frozen layers: must be below {layers}, the layers of "
                "the base: plan for this base"
            )
    joints = sorted({0, *(app.frozen for app in plan.apps)})
    stem = tuple(
        _stretch(start, end, [app for app in plan.apps if app.frozen >= end]) for start, end in pairwise(joints)
    )
    heads = tuple(Head(app.name, app.frozen, app.fps) for app in sorted(plan.apps, key=lambda app: app.frozen))
    return Program(layers, stem, heads)


def _stretch(start: int, end: int, apps: Sequence[AppPlan]) -> Stretch:
    return Stretch(start, end, max(app.fps for app in apps), tuple(app.name for app in apps))
