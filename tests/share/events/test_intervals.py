"""Reported events against real ones."""

import pytest

from rheostat.errors import DataError
from rheostat.share.events import Judged, judge_events

EVENTS = [(10.0, 20.0), (30.0, 40.0), (50.0, 60.0)]


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ([], (3, 0, 0)),
        (EVENTS, (3, 3, 0)),
        ([(20.0, 20.0), (29.0, 30.0)], (3, 2, 0)),  # a moment is enough, at either end
        ([(20.1, 29.9)], (3, 0, 1)),
        ([(5.0, 55.0)], (3, 3, 0)),  # one report may cover several events
        ([(11.0, 12.0), (14.0, 15.0), (18.0, 25.0)], (3, 1, 0)),  # and several may be of one
        ([(0.0, 1.0), (2.0, 3.0), (35.0, 36.0)], (3, 1, 2)),
    ],
)
def test_what_touches_an_event_detects_it(reported: list[tuple[float, float]], expected: tuple[int, int, int]) -> None:
    assert judge_events(reported, EVENTS) == Judged(*expected)


def test_labels_may_be_off_by_the_slack() -> None:
    assert judge_events([(20.1, 20.4)], EVENTS).detected == 0
    assert judge_events([(20.1, 20.4)], EVENTS, slack=0.2) == Judged(3, 1, 0)


def test_figures_are_those_of_the_counts() -> None:
    judged = Judged(events=4, detected=3, false=1)
    assert (judged.recall, judged.precision) == (0.75, 0.75)
    assert judged.f1 == pytest.approx(0.75)
    assert judged + Judged(1, 0, 2) == Judged(5, 3, 3)
    assert (Judged(0, 0, 0).recall, Judged(0, 0, 0).precision, Judged(0, 0, 2).precision) == (1.0, 1.0, 0.0)
    assert Judged(2, 0, 0).f1 == 0.0


def test_an_interval_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(DataError, match="reported has an interval from 3 to 2: it must not end before it starts"):
        judge_events([(3.0, 2.0)], EVENTS)
