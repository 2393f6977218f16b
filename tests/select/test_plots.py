"""The picture of where scores came from, from records made by hand."""

from typing import Any

import pytest

from rheostat.select.plots import _figure, sources_over_time


def record(share: float, predicted: float | None, **modes: int) -> dict[str, Any]:
    """An epoch; the modes are candidates since the start of the run, as a run records them."""
    named = {name.replace("_", " "): number for name, number in modes.items()}
    speeds = {"break_even": 0.6, "predicted_speedup": predicted, "actual_speedup": 1.5}
    return {"modes": named, "kept_share": share, "selection": speeds}


RECORDS = [
    record(1.0, None, off=100),
    record(0.5, 1.4, off=100, training=100),
    record(0.4, 1.9, off=150, training=150),
    record(0.3, 2.5, off=150, training=150, reuse_7=100),
]


def test_each_epoch_shows_where_its_own_candidates_had_their_scores_from() -> None:
    above, _, _ = _figure(RECORDS).axes
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in above.containers}
    assert heights["off"] == [1, 0, 0.5, 0]
    assert heights["training"] == [0, 1, 0.5, 0]
    assert heights["reuse 7"] == [0, 0, 0, 1]
    bases = {bars.get_label(): [bar.get_y() for bar in bars] for bars in above.containers}
    assert bases["training"][2] == 0.5


def test_shares_and_speedups_are_those_of_the_records_with_a_gap_where_nothing_was_measured() -> None:
    _, shares, speeds = _figure(RECORDS).axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in [*shares.get_lines(), *speeds.get_lines()]}
    assert drawn["kept share"] == [1.0, 0.5, 0.4, 0.3]
    assert drawn["break-even"] == [0.6] * 4
    assert drawn["speed-up, predicted"][1:] == [1.4, 1.9, 2.5]
    assert drawn["speed-up, predicted"][0] != drawn["speed-up, predicted"][0]  # NaN
    assert drawn["speed-up, actual"] == pytest.approx([1.5] * 4)


def test_the_same_records_give_the_same_file() -> None:
    assert sources_over_time(RECORDS) == sources_over_time(RECORDS)
