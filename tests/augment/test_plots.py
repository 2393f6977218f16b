"""The picture of what was chosen, from records made by hand."""

import itertools
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from rheostat.augment.operations import OPERATIONS
from rheostat.augment.plots import _figure, _pushed_apart, chosen_over_time
from rheostat.errors import DataError


def record(epoch: int, **operations: tuple[int, float | None]) -> dict[str, Any]:
    named = {name.replace("_", "-"): {"count": n, "level": level} for name, (n, level) in operations.items()}
    return {"epoch": epoch, "operations": named}


RECORDS = [
    record(3, rotate=(30, 0.2), equalize=(10, None)),
    record(4, rotate=(10, 0.4), equalize=(60, None), shear_x=(30, 0.8)),
    record(5),
    record(6, rotate=(1, 1.0), equalize=(997, None), shear_x=(2, 0.25)),
]


def texts(svg: str) -> list[str]:
    return [
        "".join(element.itertext()) for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")
    ]


def test_operations_are_named_with_their_share_in_the_last_epoch() -> None:
    said = texts(chosen_over_time(RECORDS))
    for label in ("rotate <1 %", "equalize 100 %", "shear-x <1 %", "epoch", "3", "6"):
        assert label in said
    assert not any(text.startswith("invert") for text in said)


def test_shares_are_stacked_and_levels_are_means_over_what_has_one() -> None:
    above, below = _figure(RECORDS).axes
    tops = [polygon.get_paths()[0].vertices for polygon in above.collections]
    # of shear-x, rotate, equalize, which are stacked in this order
    at = [{float(x): max(y for x2, y in vertices if x2 == x) for x, _ in vertices} for vertices in tops]
    assert [at[layer][3.0] for layer in range(3)] == pytest.approx([0.0, 0.75, 1.0])
    assert [at[layer][4.0] for layer in range(3)] == pytest.approx([0.3, 0.4, 1.0])
    assert [at[layer][5.0] for layer in range(3)] == [0.0, 0.0, 0.0]
    (line,) = below.lines
    assert list(line.get_xdata()) == [3, 4, 5, 6]
    levels = [0.2, (10 * 0.4 + 30 * 0.8) / 40, np.nan, (1.0 + 2 * 0.25) / 3]
    assert list(line.get_ydata()) == pytest.approx(levels, nan_ok=True)


def test_one_epoch_and_all_operations_can_be_drawn() -> None:
    everything = record(0, **{name.replace("-", "_"): (5, 0.5) for name in OPERATIONS})
    said = texts(chosen_over_time([everything]))
    assert [f"{name} 6 %" for name in OPERATIONS if f"{name} 6 %" not in said] == []


def test_the_same_records_make_the_same_file() -> None:
    assert chosen_over_time(RECORDS) == chosen_over_time(RECORDS)


@pytest.mark.parametrize("records", [[], [record(0)]])
def test_nothing_to_draw_is_said(records: list[dict[str, Any]]) -> None:
    with pytest.raises(DataError, match=f"nothing was applied in {len(records)} epochs"):
        chosen_over_time(records)


def test_labels_are_pushed_apart_as_little_as_can_be() -> None:
    """Against all places on a grid: the least sum of squares."""
    wanted, apart, grid = np.array([0.1, 0.15, 0.2, 0.7]), 0.1, np.arange(0, 0.85, 0.05)
    feasible = [
        places
        for places in itertools.product(grid, repeat=4)
        if all(after - before >= apart - 1e-9 for before, after in itertools.pairwise(places))
    ]
    best = min(feasible, key=lambda places: float(np.square(np.array(places) - wanted).sum()))
    assert _pushed_apart(wanted, apart) == pytest.approx(best)
    assert _pushed_apart(np.array([0.0, 0.0, 1.0, 1.0]), 0.1) == pytest.approx([0.0, 0.1, 0.9, 1.0])
