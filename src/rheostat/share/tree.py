"""What a schedule costs, and the tree of segments that carries it out.

An app that branches at k uses the first k layers of the stem, and its own copies of the layers from k on. A layer of
the stem runs once per frame for all apps that use it, so at the highest of their rates (Jiang et al., "Mainstream:
Dynamic Stem-Sharing for Multi-Tenant Video Processing", USENIX ATC 2018)::

    cost = sum_i f_i * sum(l[k_i:])  +  sum_j l[j] * max{f_i : k_i > j}

In all functions `layer_cost` is [L], at least 0, per frame; `frozen` is [n], 0 to L, and `fps` is [n], above 0, one per
app. Costs are per second of stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rheostat.errors import SettingsError
from rheostat.share.plan import AppPlan, Plan, Workload

Floats = NDArray[np.float64]


def branch_cost(layer_cost: ArrayLike, frozen: ArrayLike, fps: ArrayLike) -> Floats:
    """Cost [n] of the layers that each app has for itself: f * sum(l[k:])."""
    costs, cuts, rates = _arrays(layer_cost, frozen, fps)
    after = np.append(np.cumsum(costs[::-1])[::-1], 0.0)
    return rates * after[cuts]


def stem_rates(layers: int, frozen: ArrayLike, fps: ArrayLike) -> Floats:
    """Rate [layers] at which each layer of the stem has to run: max{f_i : k_i > j}; 0 where no app shares it."""
    _, cuts, rates = _arrays(np.zeros(layers), frozen, fps)
    at_cut = np.zeros(layers + 1)
    np.maximum.at(at_cut, cuts, rates)
    return np.maximum.accumulate(at_cut[::-1])[::-1][1:]


def stem_cost(layer_cost: ArrayLike, frozen: ArrayLike, fps: ArrayLike) -> float:
    """Cost of the layers that run for several apps at once."""
    costs = np.asarray(layer_cost, dtype=float)
    return float(costs @ stem_rates(len(costs), frozen, fps))


def plan_cost(layer_cost: ArrayLike, frozen: ArrayLike, fps: ArrayLike) -> float:
    """Cost of a whole schedule: `stem_cost`, and the `branch_cost` of every app."""
    return stem_cost(layer_cost, frozen, fps) + float(branch_cost(layer_cost, frozen, fps).sum())


def with_picture_layer(workload: Workload) -> Workload:
    """The same workload with `picture_cost` as a layer before all others, which every app shares with all others."""
    apps = tuple(
        app.model_copy(
            update={"branch_points": tuple(p.model_copy(update={"frozen": p.frozen + 1}) for p in app.branch_points)}
        )
        for app in workload.apps
    )
    head = None if workload.head is None else workload.head + 1
    costs = (workload.picture_cost, *workload.layer_cost)
    return workload.model_copy(update={"layer_cost": costs, "picture_cost": 0.0, "head": head, "apps": apps})


def total_cost(workload: Workload, apps: Sequence[AppPlan]) -> float:
    """Cost of a schedule with all that its workload knows of: `plan_cost`, and the pictures at the highest rate."""
    frozen, fps = [app.frozen for app in apps], [app.fps for app in apps]
    return plan_cost(workload.layer_cost, frozen, fps) + workload.picture_cost * max(fps)


def total_shares(workload: Workload, apps: Sequence[AppPlan]) -> Floats:
    """Cost [n] that each app answers for (see `cost_shares`); they sum to `total_cost`."""
    costs = (workload.picture_cost, *workload.layer_cost)
    return cost_shares(costs, [app.frozen + 1 for app in apps], [app.fps for app in apps])


def cost_shares(layer_cost: ArrayLike, frozen: ArrayLike, fps: ArrayLike) -> Floats:
    """Cost [n] that each app answers for; they sum to `plan_cost`.

    An app bears its own layers. A layer of the stem is a runway: the part of its rate that only the faster apps need is
    borne by those alone, in equal parts. This is the Shapley value of the apps in the game where a group costs what its
    own schedule would (Littlechild and Owen, "A Simple Expression for the Shapley Value in a Special Case", Management
    Science 20(3), 1973), so no app pays for another's rate or depth.
    """
    costs, cuts, rates = _arrays(layer_cost, frozen, fps)
    shares = branch_cost(costs, cuts, rates)
    slowest_first = np.argsort(rates, kind="stable")
    for start, end in pairwise(np.unique([0, *cuts])):
        users = slowest_first[cuts[slowest_first] >= end]
        steps = np.diff(rates[users], prepend=0.0)
        shares[users] += costs[start:end].sum() * np.cumsum(steps / np.arange(len(users), 0, -1))
    return shares


def _arrays(layer_cost: ArrayLike, frozen: ArrayLike, fps: ArrayLike) -> tuple[Floats, NDArray[np.intp], Floats]:
    costs, rates = np.asarray(layer_cost, dtype=float), np.asarray(fps, dtype=float)
    cuts = np.asarray(frozen, dtype=np.intp)
    if cuts.shape != rates.shape or cuts.ndim != 1:
        raise SettingsError(f"frozen is {list(cuts.shape)} and fps is {list(rates.shape)}: both must be [apps]")
    for wrong in cuts[(cuts < 0) | (cuts > len(costs))]:
        raise SettingsError(f"frozen is {wrong}: must be 0 to {len(costs)}, the number of layers")
    return costs, cuts, rates


@dataclass(frozen=True)
class Segment:
    """Layers `start` to `end` - 1, run `fps` times per second.

    Attributes:
        apps: Names of the apps that need it, in the order of the plan.
        own: The app that this copy of the layers belongs to; None = a part of the stem.
        cost: Per second of stream, in the unit of the budget.
    """

    start: int
    end: int
    fps: float
    apps: tuple[str, ...]
    own: str | None
    cost: float

    @property
    def shared(self) -> bool:
        """Whether more apps than one need it. The deepest part of the stem may serve a single one."""
        return len(self.apps) > 1


@dataclass(frozen=True)
class Branch:
    """The apps that leave the stem after `frozen` layers; `segments` holds the own part of each, aligned."""

    frozen: int
    apps: tuple[AppPlan, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Tree:
    """A plan as it is carried out: a stem, which is a path, and at each of its joints the apps that leave it.

    Attributes:
        layers: Number of layers of the base.
        pictures: What is done with a frame before the first layer, as a segment of no layers; None if it costs nothing.
        stem: Segments from the input inwards, each starting where the last one ended; empty if nothing is shared.
        branches: By `frozen`, increasing; one ends at every segment of the stem, and one may lie at the input.
    """

    layers: int
    pictures: Segment | None
    stem: tuple[Segment, ...]
    branches: tuple[Branch, ...]


def grow(workload: Workload, plan: Plan) -> Tree:
    """Lay a plan out as a tree.

    Raises:
        SettingsError: The plan is not one for this workload.
    """
    _belongs(workload, plan)
    costs = np.asarray(workload.layer_cost)
    cuts = sorted({app.frozen for app in plan.apps})
    stem = tuple(
        _segment(costs, start, end, [app for app in plan.apps if app.frozen >= end], own=False)
        for start, end in pairwise(sorted({0, *cuts}))
    )
    branches = []
    for cut in cuts:
        apps = tuple(app for app in plan.apps if app.frozen == cut)
        branches.append(Branch(cut, apps, tuple(_segment(costs, cut, len(costs), [app], own=True) for app in apps)))
    return Tree(len(costs), _pictures(workload, plan), stem, tuple(branches))


def segments(workload: Workload, plan: Plan) -> tuple[Segment, ...]:
    """List what has to run: pictures, the stem inwards, each app's own part. Their costs sum to `total_cost`.

    An app that shares all layers has an own part of no layers, at no cost.

    Raises:
        SettingsError: The plan is not one for this workload.
    """
    tree = grow(workload, plan)
    pictures = () if tree.pictures is None else (tree.pictures,)
    return (*pictures, *tree.stem, *(segment for branch in tree.branches for segment in branch.segments))


def _segment(costs: Floats, start: int, end: int, apps: Sequence[AppPlan], *, own: bool) -> Segment:
    fps = max(app.fps for app in apps)
    names = tuple(app.name for app in apps)
    return Segment(start, end, fps, names, names[0] if own else None, fps * float(costs[start:end].sum()))


def _pictures(workload: Workload, plan: Plan) -> Segment | None:
    if not workload.picture_cost:
        return None
    fps = max(app.fps for app in plan.apps)
    return Segment(0, 0, fps, tuple(app.name for app in plan.apps), None, fps * workload.picture_cost)


def _belongs(workload: Workload, plan: Plan) -> None:
    known, layers = {app.name for app in workload.apps}, len(workload.layer_cost)
    for app in plan.apps:
        if app.name not in known:
            raise SettingsError(f"app {app.name!r} of the plan is not in the workload: plan this workload anew")
        if app.frozen > layers:
            raise SettingsError(
                f"app {app.name!r} of the plan has {app.frozen} frozen layers and the workload {layers} layers: "
                "plan this workload anew"
            )
