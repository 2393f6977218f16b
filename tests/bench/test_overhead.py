"""The overhead benchmark measures what it says; what it finds is for the records."""

import dataclasses

import pytest

from rheostat.bench import measure_overhead, overhead
from rheostat.errors import SettingsError


@pytest.mark.parametrize("name", overhead.SETTINGS)
def test_it_measures_selection_against_its_ideal_and_uniform_against_the_plain_loop(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: dataclasses.replace(setting, batches=4) for name, setting in overhead.SETTINGS.items()}
    monkeypatch.setattr(overhead, "SETTINGS", few)
    told: list[float] = []

    found = measure_overhead(2, name=name, progress=lambda share, line: told.append(share))

    assert set(found["ratios"]) == {"selective", "uniform"}
    for ratio in found["ratios"].values():
        assert 0 < ratio["quartiles"][0] <= ratio["median"] <= ratio["quartiles"][1]
    assert min(found["seconds"].values()) > 0
    assert found["backwards_share"] <= 0.25  # it selects as late in a run
    assert told[-1] == 1


def test_an_unknown_setting_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="turns is 0: at least 1"):
        measure_overhead(0)
    with pytest.raises(SettingsError, match="unknown model 'lenett': did you mean lenet"):
        measure_overhead(1, name="lenett")
