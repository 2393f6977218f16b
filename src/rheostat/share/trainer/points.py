"""At which points of a base heads are trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from rheostat.errors import SettingsError
from rheostat.share.stem import Network

POINTS = 7


def layer_work(network: Network) -> tuple[int, ...]:
    """Multiplications and additions of each layer for one picture: counted, so the same on any machine."""
    found = []
    for at, layer in enumerate(network.layers):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            layer(torch.zeros(1, *network.shape_at(at)))
        found.append(counter.get_total_flops())
    return tuple(found)


def usual_points(work: Sequence[int], head_start: int, points: int = POINTS) -> tuple[int, ...]:
    """Branch points spread evenly over the work: nothing frozen, all but the head, and what lies nearest between.

    Args:
        work: Of each layer.
        head_start: Layers before the head.
        points: How many, at least 2; fewer where two fall together.
    """
    done = np.concatenate([[0], np.cumsum(work)])[: head_start + 1]
    wanted = np.linspace(0, done[-1], points)
    return tuple(sorted({int(np.abs(done - share).argmin()) for share in wanted} | {head_start}))


def checked_points(points: Sequence[int], layers: int) -> tuple[int, ...]:
    """The branch points in order, if they are such.

    Raises:
        SettingsError: There is none, one is there twice, or one leaves no layer to train.
    """
    wrong = [str(point) for point in points if not 0 <= point < layers]
    if wrong or not points or len(set(points)) < len(points):
        told = ", ".join(map(str, points)) or "none"
        raise SettingsError(f"branch points are {told}: give each once, in [0, {layers - 1}]")
    return tuple(sorted(points))
