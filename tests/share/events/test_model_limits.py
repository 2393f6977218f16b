"""The event models at their limits, and with values that they refuse."""

import math
from typing import Any

import numpy as np
import pytest

from rheostat.errors import SettingsError
from rheostat.share.events import Detection, detection
from tests.share.events.test_model import PLAIN, every_model, votes_or_none


@every_model
def test_correlated_samples_see_no_more_than_one(model: str) -> None:
    assert detection(**PLAIN | {"correlation": 1.0}, model=model).recall == pytest.approx(0.8)
    assert detection(**PLAIN | {"correlation": 1.0, "fps": 1}, model="paper").recall == pytest.approx(0.8)


@votes_or_none
def test_correlated_samples_agree_on_a_run_as_long_as_the_event(votes: int | None) -> None:
    assert detection(**PLAIN | {"correlation": 1.0}, votes=votes, model="paper").recall == pytest.approx(0.8)


@every_model
@votes_or_none
def test_a_model_that_never_fires_is_precise_and_useless(model: str, votes: int | None) -> None:
    found = detection(**PLAIN | {"hit": 0.0, "false_positive": 0.0}, votes=votes, model=model)
    assert found == Detection(np.float64(0), np.float64(1), np.float64(0))


@every_model
def test_a_model_that_is_always_right_misses_only_events_between_samples(model: str) -> None:
    found = detection(**PLAIN | {"hit": 1.0, "false_positive": 0.0}, model=model)
    assert found == Detection(np.float64(1), np.float64(1), np.float64(1))
    found = detection(**PLAIN | {"hit": 1.0, "false_positive": 0.0, "event_seconds": 0.1}, model="paper")
    assert found.recall == pytest.approx(0.4)


@every_model
def test_without_gaps_nothing_is_false(model: str) -> None:
    found = detection(**PLAIN | {"event_frequency": 1.0}, model=model)
    assert found.precision == 1
    assert found.f1 == pytest.approx(2 * found.recall / (1 + found.recall))


@every_model
def test_more_votes_are_harder_to_get(model: str) -> None:
    recalls = [float(detection(**PLAIN | {"fps": 9}, votes=votes, model=model).recall) for votes in (1, 2, 3, 7, 15)]
    assert recalls == sorted(recalls, reverse=True)
    assert recalls[0] > recalls[-1] == 0  # there are at most 14 samples


# wrong values


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("hit", [0.5, 80.0], "hit is 80: it must lie in"),
        ("false_positive", -0.1, "false_positive is -0.1: it must lie in"),
        ("correlation", math.nan, "correlation is nan: it must lie in"),
        ("event_seconds", 0, "event_seconds is 0: it must be above 0"),
        ("event_seconds", math.inf, "event_seconds is inf: it must be above 0"),
        ("event_frequency", 0, "event_frequency is 0: it must be above 0 and at most 1"),
        ("event_frequency", 20, "event_frequency is 20: .* divide a percentage by 100"),
        ("fps", 0, "fps is 0: it must be above 0 and at most stream_fps"),
        ("fps", [[1, 10.5]], "fps is 10.5: it must be above 0 and at most stream_fps"),
        ("stream_fps", 0, "stream_fps is 0: it must be above 0"),
        ("votes", 0, "votes is 0: it must be at least 1"),
        ("votes", 1.5, "votes is 1.5: it must be a whole number"),
    ],
)
def test_a_wrong_value_is_named_with_its_range(name: str, value: Any, shown: str) -> None:
    with pytest.raises(SettingsError, match=shown):
        detection(**PLAIN | {name: value})


def test_wrong_values_are_named_all_at_once() -> None:
    with pytest.raises(SettingsError, match=r"hit is 2: .*; event_seconds is -1: .*; fps is 11: .*; votes is 0: "):
        detection(**PLAIN | {"hit": 2, "event_seconds": -1, "fps": 11, "votes": 0})


def test_an_unknown_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"unknown event model 'papers': did you mean paper.*replay"):
        detection(**PLAIN, model="papers")
