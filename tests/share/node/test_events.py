import numpy as np
import pytest

from rheostat.errors import SettingsError
from rheostat.share.node.events import (
    EventRule,
    EventState,
    EventTracker,
    Finished,
    Record,
    Sample,
    Started,
    Updated,
    step,
)


def played(
    scores: list[float | None], rule: EventRule, *, fps: float = 1.0, gaps: tuple[int, ...] = ()
) -> tuple[EventTracker, list[tuple[int, Record]]]:
    tracker = EventTracker(rule)
    told = []
    for slot, score in enumerate(scores):
        if slot in gaps:
            tracker.interrupted()
        told += [(slot, record) for record in tracker.feed(slot / fps, slot, score)]
    told += [(len(scores), record) for record in tracker.finish()]
    return tracker, told


def spans(told: list[tuple[int, Record]]) -> list[tuple[float, float]]:
    return [(record.run.first, record.run.last) for _, record in told if isinstance(record, Finished)]


def test_an_event_starts_at_the_first_of_its_votes_and_ends_at_the_last_hit() -> None:
    rule = EventRule(threshold=0.5, votes=3, min_gap_seconds=1.0)
    _, told = played([0.9, 0.9, 0.1, 0.5, 0.6, 0.8, 0.7, 0.2, 0.1, 0.1], rule)
    slot, started = told[0]
    assert isinstance(started, Started)
    assert (slot, started.run.first, started.seen, started.run.hits) == (5, 3.0, 5.0, 3)
    slot, finished = told[-1]
    assert isinstance(finished, Finished)
    assert slot == 8  # the miss at 7 is not more than one second after the hit at 6
    assert (finished.run.first, finished.run.last, finished.run.hits) == (3.0, 6.0, 4)
    assert finished.run.peak == Sample(5.0, 5, 0.8)


def test_of_equal_peaks_the_first_counts() -> None:
    (_, finished) = played([0.6, 0.9, 0.9, 0.7], EventRule())[1][-1]
    assert finished.run.peak.slot == 1


def test_a_gap_that_is_short_enough_does_not_end_an_event() -> None:
    rule = EventRule(min_gap_seconds=2.0)
    assert spans(played([0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9], rule)[1]) == [(0.0, 3.0), (7.0, 7.0)]


def test_a_slot_that_was_not_looked_at_changes_nothing() -> None:
    rule = EventRule(votes=2, min_gap_seconds=0.0)
    scores = [0.9, 0.9, 0.1, 0.9, 0.9, 0.9, 0.1, 0.1]
    sparse = [value for score in scores for value in (score, None, None)]
    dense = spans(played(scores, rule)[1])
    assert [(first * 3, last * 3) for first, last in dense] == spans(played(sparse, rule)[1])
    assert len(played(sparse, rule)[0].looks) == len(scores)


def test_an_app_slower_than_the_gap_still_sees_one_event() -> None:
    assert spans(played([0.9, 0.9, 0.9, 0.1], EventRule(min_gap_seconds=0.1), fps=0.2)[1]) == [(0.0, 10.0)]


def test_an_interruption_ends_an_event_that_is_too_long_ago_and_breaks_a_row() -> None:
    long, short = EventRule(min_gap_seconds=5.0), EventRule(min_gap_seconds=0.5)
    assert spans(played([0.9, 0.9, 0.9], short, gaps=(2,))[1]) == [(0.0, 1.0), (2.0, 2.0)]
    assert spans(played([0.9, 0.9, 0.9], long, gaps=(2,))[1]) == [(0.0, 2.0)]
    _, told = played([0.9, 0.9, 0.9], EventRule(votes=3), gaps=(2,))
    assert told == []


def test_an_event_goes_on_when_a_plan_changes_votes_and_rate() -> None:
    tracker = EventTracker(EventRule(votes=1))
    assert isinstance(tracker.feed(0.0, 0, 0.9)[0], Started)
    tracker.rule = EventRule(votes=5, min_gap_seconds=1.0)
    tracker.feed(0.5, 1, 0.95)
    tracker.feed(4.5, 9, 0.9)
    assert spans([(0, record) for record in tracker.feed(6.0, 12, 0.1)]) == [(0.0, 4.5)]


def test_a_row_of_hits_counts_for_a_new_plan_with_fewer_votes() -> None:
    tracker = EventTracker(EventRule(votes=5))
    tracker.feed(0.0, 0, 0.9)
    tracker.feed(1.0, 1, 0.9)
    tracker.rule = EventRule(votes=2)
    (started,) = tracker.feed(2.0, 2, 0.9)
    assert isinstance(started, Started)
    assert started.run.first == 0.0


def test_updates_come_with_every_new_peak_and_else_once_a_second() -> None:
    _, told = played([0.6, 0.7, 0.65] + [0.6] * 20, EventRule(), fps=10)
    updates = [(slot, record.risen) for slot, record in told if isinstance(record, Updated)]
    assert updates == [(1, True), (11, False), (21, False)]


def test_the_rule_agrees_with_a_plain_loop_over_random_scores() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        scores = generator.random(60)
        rule = EventRule(votes=int(generator.integers(1, 4)), min_gap_seconds=float(generator.integers(0, 4)))
        hits = scores >= rule.threshold
        expected, slot = [], 0
        while slot + rule.votes <= len(hits):
            if not hits[slot : slot + rule.votes].all():
                slot += 1
                continue
            last = slot + rule.votes - 1
            while True:
                later = [s for s in range(last + 1, len(hits)) if hits[s]]
                # the first miss that is too late ends it, unless a hit comes before that
                if not later or any(not hits[s] and s - last > rule.min_gap_seconds for s in range(last, later[0])):
                    break
                last = later[0]
            expected.append((float(slot), float(last)))
            slot = last + 1
        assert spans(played([float(score) for score in scores], rule)[1]) == expected


def test_looks_tell_why_an_app_fired_or_did_not() -> None:
    tracker = EventTracker(EventRule(threshold=0.7, votes=2), history=3)
    for slot, score in enumerate([0.9, 0.6, 0.8, 0.9]):
        tracker.feed(slot / 10, slot, score)
    seen = [(look.slot, look.in_row, look.event, look.votes, look.threshold) for look in tracker.looks]
    assert seen == [(1, 0, False, 2, 0.7), (2, 1, False, 2, 0.7), (3, 2, True, 2, 0.7)]


def test_the_state_is_all_that_is_remembered() -> None:
    rule = EventRule(votes=2)
    state, told = step(rule, EventState(), Sample(0.0, 0, 0.9))
    assert told == ()
    for _ in range(2):  # the same state gives the same
        _, told = step(rule, state, Sample(0.1, 1, 0.8))
        assert isinstance(told[0], Started)


def test_finish_ends_only_what_is_open() -> None:
    assert played([0.9], EventRule(votes=2))[1] == []
    tracker, told = played([0.9], EventRule())
    assert spans(told) == [(0.0, 0.0)]
    assert tracker.finish() == ()


@pytest.mark.parametrize(
    ("values", "said"),
    [({"threshold": 0.0}, "threshold is 0"), ({"votes": 0}, "votes is 0"), ({"min_gap_seconds": -1.0}, "is -1")],
)
def test_a_rule_outside_of_its_range_is_refused(values: dict[str, float], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        EventRule(**values)  # type: ignore[arg-type]
