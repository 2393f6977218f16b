"""What every app of a workload may choose from, and how good each choice is."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from rheostat.errors import unknown_name
from rheostat.share.events import Detection, detection, f1_of
from rheostat.share.plan import App, BranchPoint, Workload
from rheostat.share.scheduler.stems import Floats, Grid

Sharing = Literal["any", "head", "max", "none"]
SHARINGS: tuple[str, ...] = get_args(Sharing)
BASELINES = ("head", "max", "none")


class Choices(NamedTuple):
    """The choices of `n` apps: `K` branch points by `R` rates, each with the vote count that is best there.

    frozen: `[K]` layers before each branch point, rising from 0; the union over the apps.
    rates: `[R]` frames per second, rising.
    recall, precision, f1: `[n, K, R]` in [0, 1]; -inf where the app has no such branch point.
    votes: `[n, K, R]` counts; 0 = no votes.
    """

    frozen: NDArray[np.intp]
    rates: Floats
    recall: Floats
    precision: Floats
    f1: Floats
    votes: NDArray[np.intp]

    def grid(self, layer_cost: Floats, worth: Floats) -> Grid:
        """The same choices with what they cost and what each is worth `[n, K, R]`."""
        before = np.concatenate([[0.0], np.cumsum(layer_cost)])
        own = np.concatenate([np.cumsum(layer_cost[::-1])[::-1], [0.0]])
        return Grid(worth, self.rates, own[self.frozen], np.diff(before[self.frozen]))

    def find(self, app: int, frozen: int, fps: float) -> int | None:
        """Flat index into `[K, R]` of a branch point and rate; None if the app has no such choice."""
        point, rate = np.flatnonzero(self.frozen == frozen), np.flatnonzero(self.rates == fps)
        if not (point.size and rate.size and np.isfinite(self.f1[app, point[0], rate[0]])):
            return None
        return int(point[0]) * self.rates.size + int(rate[0])


def choices_of(workload: Workload) -> Choices:
    """Foretell every choice of a workload; of several vote counts the best is kept, of equal ones the first."""
    rates = np.asarray(workload.fps)
    frozen = np.unique([0, *(point.frozen for app in workload.apps for point in app.branch_points)])
    shape = (len(workload.apps), frozen.size, rates.size)
    recall, precision, f1 = (np.full(shape, -np.inf) for _ in range(3))
    votes = np.zeros(shape, np.intp)
    for i, app in enumerate(workload.apps):
        at = np.searchsorted(frozen, [point.frozen for point in app.branch_points])
        for place, count in enumerate(app.votes or (None,)):
            found = _foretold(workload, app, rates, place, count)
            better = found.f1 > f1[i, at]
            for table, new in ((recall, found.recall), (precision, found.precision), (f1, found.f1)):
                table[i, at] = np.where(better, new, table[i, at])
            votes[i, at] = np.where(better, count or 0, votes[i, at])
    return Choices(frozen, rates, recall, precision, f1, votes)


def restricted(workload: Workload, sharing: str) -> Workload:
    """Leave every app only the branch points that a way of sharing allows.

    `any`: all of them. `max`: the deepest. `head`: the one where the head of the network is retrained and all before it
    is shared. That is `Workload.head`, by default the deepest but one, since the deepest of the published packages
    freezes a randomly initialised layer that no two apps have in common. `none`: a whole network per app, as good as
    the app's first branch point, with nothing shared.

    Raises:
        SettingsError: There is no such way of sharing.
    """
    if sharing not in SHARINGS:
        raise unknown_name("sharing", sharing, SHARINGS)
    if sharing == "any":
        return workload
    apps = tuple(
        app.model_copy(update={"branch_points": (_only(app, sharing, workload.head),)}) for app in workload.apps
    )
    return workload.model_copy(update={"apps": apps})


def _only(app: App, sharing: str, head: int | None) -> BranchPoint:
    points = app.branch_points
    if sharing == "none":
        return points[0].model_copy(update={"frozen": 0})
    if sharing == "max":
        return points[-1]
    if head is None:
        return points[-2:][0]
    return [points[0], *(point for point in points if point.frozen <= head)][-1]


def _foretold(workload: Workload, app: App, rates: Floats, place: int, votes: int | None) -> Detection:
    """`[branch points, rates]` for one vote count, which is at `place` among those of the app."""
    if workload.event_model == "profiled":
        recall, precision = (
            np.array([getattr(point, name) for point in app.branch_points], dtype=float)
            for name in ("recall", "precision")
        )
        if votes is not None:
            recall, precision = recall[:, :, place], precision[:, :, place]
        return Detection(recall, precision, f1_of(recall, precision))
    return detection(
        hit=np.array([[point.hit] for point in app.branch_points], dtype=float),
        false_positive=np.array([[point.false_positive] for point in app.branch_points], dtype=float),
        event_seconds=app.event_seconds,
        event_frequency=app.event_frequency,
        correlation=app.correlation_at(rates),
        fps=rates,
        stream_fps=workload.stream_fps,
        votes=votes,
        model=workload.event_model,
    )
