"""The greedy rule behind the published Mainstream schedules, kept to compare with."""

from __future__ import annotations

import numpy as np

from rheostat.share.scheduler.stems import Floats, Grid, Indices


def legacy_greedy(grid: Grid, budget: float) -> Indices:
    """Plan as the authors' code does, which is not as the paper says.

    Every app starts at its deepest branch point and the lowest rate. Then, over and over, among all changes of one app
    to a choice of higher F1 that keep the whole plan within the budget, the one with the largest (1 - F1) / own cost is
    made: of the new F1, so that of the changes that cost alike the worst one comes first, and over the new cost of the
    app's own layers, without the stem. The start is not checked against the budget, so a plan can lie above it.

    Args:
        grid: The choices; the values are F1.
        budget: Cost per second that may be spent.

    Returns:
        `[n]` flat indices into `[K, R]`.
    """
    n, points, top = grid.value.shape
    deepest = points - 1 - np.isfinite(grid.value[:, ::-1, 0]).argmax(axis=1)
    choice = deepest * top
    value = grid.value.reshape(n, -1)
    with np.errstate(divide="ignore"):  # an app that shares every layer has no cost of its own
        ratio = np.where(np.isfinite(value), 1.0 - value, 0.0) / grid.own_cost.ravel()
    while True:
        better = value > value[np.arange(n), choice][:, None]
        fits = _cost_with_one_changed(grid, choice) <= budget
        wanted = np.where(better & fits, ratio, -np.inf)
        at = int(wanted.argmax())
        app, option = divmod(at, points * top)
        if wanted[app, option] == -np.inf:
            return choice
        choice[app] = option


def _cost_with_one_changed(grid: Grid, choice: Indices) -> Floats:
    """`[n, K R]` cost of the plan if one app changed to each of its choices and the others stayed."""
    point, rate = np.divmod(choice, grid.rates.size)
    runs = np.where(np.arange(grid.segment.size) < point[:, None], grid.rates[rate][:, None], 0.0)  # [n, K - 1]
    highest = np.sort(np.vstack([np.zeros_like(runs[:1]), runs]), axis=0)[-2:]
    others = np.where(runs == highest[1], highest[0], highest[1])  # rate of each segment without the app
    lifted = np.maximum(others[:, :, None], grid.rates) * grid.segment[:, None]  # [n, K - 1, R]
    kept = (others * grid.segment)[:, :, None]
    stem = np.zeros((len(choice), grid.tail.size, grid.rates.size))
    stem[:, 1:] = np.cumsum(lifted - kept, axis=1)
    stem += kept.sum(axis=1, keepdims=True)
    own = grid.own_cost.ravel()
    return own[choice].sum() - own[choice][:, None] + own + stem.reshape(len(choice), -1)
