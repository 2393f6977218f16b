"""What was chosen over time, as a picture. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from rheostat.augment.operations import OPERATIONS
from rheostat.errors import DataError
from rheostat.figures import INK, dress, svg

_FAMILIES = {  # operations that do alike are of one hue
    ("identity",): ("#b6bec6",),
    ("shear-x", "shear-y", "translate-x", "translate-y", "rotate"): (
        "#0b3c5d", "#1f5f8b", "#3d85b0", "#70a9cc", "#a6cbe1",
    ),
    ("auto-contrast", "equalize", "posterize", "solarize", "invert"): (
        "#7a1f2b", "#a63446", "#d1495b", "#e07a87", "#efb0b8",
    ),
    ("color", "contrast", "brightness", "sharpness"): ("#8a5a00", "#c47f0a", "#e2a03f", "#f0c987"),
    ("cutout",): ("#3d8c6f",),
}  # fmt: skip
_COLOUR = {name: colour for names, colours in _FAMILIES.items() for name, colour in zip(names, colours, strict=True)}


def chosen_over_time(records: Sequence[dict[str, Any]]) -> str:
    """Draw what was chosen over the epochs: the share of each operation, stacked, and the mean level.

    Args:
        records: What `SelectiveAugment.record` gave at the end of each epoch, in order; keys beyond are ignored.

    Returns:
        An SVG document. Operations are ordered so that those that do alike lie together.

    Raises:
        DataError: There is no record, or nothing was augmented in any.
    """
    if not any(record["operations"] for record in records):
        raise DataError(f"nothing was applied in {len(records)} epochs: there is nothing to draw")
    return svg(_figure(records))


def _figure(records: Sequence[dict[str, Any]]) -> Figure:
    epochs = np.array([record["epoch"] for record in records], dtype=float)
    used = [name for name in _COLOUR if any(name in record["operations"] for record in records)]
    counts = np.array([[_entry(record, name, "count") or 0 for name in used] for record in records], dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(8.4, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
    _stack(above, epochs, shares, used)
    _levels(below, epochs, records, counts, used)
    below.set_xlabel("epoch")
    below.xaxis.set_major_locator(FixedLocator(epochs.tolist()) if len(epochs) == 1 else MaxNLocator(integer=True))
    _name(figure, above, shares[-1], used)
    return figure


def _stack(axes: Axes, epochs: np.ndarray, shares: np.ndarray, used: list[str]) -> None:
    dress(axes)
    if len(epochs) == 1:
        epochs, shares = epochs + np.array([-0.5, 0.5]), np.repeat(shares, 2, axis=0)
    colours = [_COLOUR[name] for name in used]
    axes.stackplot(epochs, shares.T, colors=colours, edgecolor="white", linewidth=0.5)
    axes.set_ylim(0, 1)
    axes.set_xlim(epochs[0], epochs[-1])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.set_title(
        "Share of each operation among those applied, and in the last epoch", loc="left", color=INK, fontsize=11
    )


def _levels(
    axes: Axes, epochs: np.ndarray, records: Sequence[dict[str, Any]], counts: np.ndarray, used: list[str]
) -> None:
    """Mean level of all that has one: the means of the operations, weighted by their counts."""
    dress(axes)
    level = np.array([[_entry(record, name, "level") for name in used] for record in records], dtype=float)
    weight = np.where(np.isnan(level), 0.0, counts)
    known = weight.sum(axis=1)
    mean = np.full(len(epochs), np.nan)
    np.divide((weight * np.nan_to_num(level)).sum(axis=1), known, out=mean, where=known > 0)
    axes.plot(epochs, mean, color=INK, lw=2, marker="o" if len(epochs) == 1 else None)
    axes.set_ylim(0, 1)
    axes.set_title("Mean level, from 0 (weakest) to 1 (strongest)", loc="left", color=INK, fontsize=11)


def _name(figure: Figure, axes: Axes, shares: np.ndarray, used: list[str]) -> None:
    """Write each operation beside its band at the right edge, pushed apart where bands are thin."""
    figure.draw_without_rendering()
    apart = 12.5 / axes.get_window_extent().height
    middle = np.cumsum(shares) - shares / 2
    for name, share, at, place in zip(used, shares, middle, _pushed_apart(middle, apart), strict=True):
        axes.plot((1, 1.03), (at, place), color=_COLOUR[name], lw=2, transform=axes.transAxes, clip_on=False)
        said = "<1" if 0 < share < 0.005 else f"{100 * share:.0f}"
        axes.text(1.038, place, f"{name} {said} %", transform=axes.transAxes, color=INK, fontsize=8.5, va="center")


def _pushed_apart(wanted: np.ndarray, apart: float) -> np.ndarray:
    """Places in the same ascending order, at least `apart` from each other and near the wanted ones.

    They stay within [0, 1] where they fit there. Less their share of the distances they are a regression to ascending
    numbers, by pooling adjacent violators.
    """
    steps = apart * np.arange(len(wanted))
    pools: list[tuple[float, int]] = []
    for value in wanted - steps:
        mean, size = float(value), 1
        while pools and pools[-1][0] > mean:
            before, number = pools.pop()
            mean, size = (before * number + mean * size) / (number + size), number + size
        pools.append((mean, size))
    places = np.repeat([mean for mean, _ in pools], [size for _, size in pools])
    return np.clip(places, 0, max(0.0, 1 - steps[-1])) + steps


def _entry(record: dict[str, Any], name: str, key: str) -> float | None:
    return record["operations"].get(name, {}).get(key)


assert set(_COLOUR) == set(OPERATIONS)
