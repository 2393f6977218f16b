"""The overhead benchmark measures what it says; what it finds is for the records."""

import pytest

from rheostat.bench import measure_overhead


def test_it_measures_selection_against_its_ideal_and_uniform_against_the_plain_loop(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rheostat.bench.overhead._BATCHES", 4)
    told: list[float] = []

    found = measure_overhead(2, progress=lambda share, line: told.append(share))

    assert set(found["ratios"]) == {"selective", "uniform"}
    for ratio in found["ratios"].values():
        assert 0 < ratio["quartiles"][0] <= ratio["median"] <= ratio["quartiles"][1]
    assert min(found["seconds"].values()) > 0
    assert found["backwards_share"] <= 0.25  # it selects as late in a run
    assert told[-1] == 1
