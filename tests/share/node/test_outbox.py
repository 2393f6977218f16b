from collections.abc import Iterator
from pathlib import Path

import pytest

from rheostat.share.node.events import Run, Sample
from rheostat.share.node.outbox import Outbox, SinkStatus
from rheostat.share.node.store import Store


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(tmp_path / "node.db", clock=clock) as store:
        yield store


def post(store: Store, number: int) -> list[str]:
    run = Run(0.0, 0.0, Sample(0.0, 0, 0.9), 1)
    return [store.start("app", run, seen=0.0, source="s", plan="p").id for _ in range(number)]


def told(outbox: Outbox, sink: str) -> list[str]:
    events = []
    while message := outbox.next(sink):
        events.append(message.event)
        outbox.told(sink, message)
    return events


def test_each_sink_is_told_everything_once_and_in_order(store: Store) -> None:
    store.outbox.register("a")
    store.outbox.register("b")
    events = post(store, 3)
    assert told(store.outbox, "a") == events
    assert told(store.outbox, "a") == []
    more = post(store, 2)
    assert told(store.outbox, "b") == events + more
    assert told(store.outbox, "a") == more


def test_a_new_sink_is_told_what_is_posted_from_then_on(store: Store) -> None:
    store.outbox.register("a")
    post(store, 2)
    store.outbox.register("b")
    later = post(store, 1)
    assert told(store.outbox, "b") == later
    store.outbox.register("a")  # known already: it keeps its place
    assert len(told(store.outbox, "a")) == 3


def test_without_a_sink_nothing_is_posted(store: Store) -> None:
    post(store, 2)
    assert store._database.rows("SELECT * FROM outbox") == []


def test_the_place_of_a_sink_survives_the_node(tmp_path: Path) -> None:
    with Store(tmp_path / "x.db") as store:
        store.outbox.register("a")
        events = post(store, 3)
        message = store.outbox.next("a")
        assert message is not None
        store.outbox.told("a", message)
    with Store(tmp_path / "x.db") as store:
        assert told(store.outbox, "a")[:2] == events[1:]


def test_refusals_are_noted_and_passed(store: Store, clock: Clock) -> None:
    store.outbox.register("a")
    events = post(store, 2)
    message = store.outbox.next("a")
    assert message is not None
    clock.now = 7.0
    store.outbox.refused("a", message, "HTTP 404")
    assert store.outbox.refusals() == [
        {"sink": "a", "event": events[0], "kind": "started", "reason": "HTTP 404", "refused_at": 7.0}
    ]
    assert store.outbox.status() == [SinkStatus("a", waiting=1, refused=1, lost=0)]
    assert told(store.outbox, "a") == events[1:]


def test_only_what_all_were_told_is_removed(store: Store) -> None:
    store.outbox.register("fast")
    store.outbox.register("slow")
    events = post(store, 4)
    told(store.outbox, "fast")
    message = store.outbox.next("slow")
    assert message is not None
    store.outbox.told("slow", message)
    store.outbox.trim(messages=100, seconds=100.0)
    assert len(store._database.rows("SELECT * FROM outbox")) == 3
    assert told(store.outbox, "slow") == events[1:]


@pytest.mark.parametrize(("messages", "seconds", "kept"), [(2, 1e9, 2), (100, 5.0, 1), (100, float("inf"), 4)])
def test_a_sink_that_is_away_too_long_loses_the_oldest_and_it_is_counted(
    store: Store, clock: Clock, messages: int, seconds: float, kept: int
) -> None:
    store.outbox.register("away")
    store.outbox.register("here")
    events = post(store, 3)
    clock.now = 10.0
    events += post(store, 1)
    told(store.outbox, "here")
    store.outbox.trim(messages=messages, seconds=seconds)
    away, here = store.outbox.status()
    assert (away.waiting, away.lost) == (kept, 4 - kept)
    assert (here.waiting, here.lost) == (0, 0)
    assert told(store.outbox, "away") == events[4 - kept :]
    again = post(store, 1)
    assert told(store.outbox, "away") == again
    assert told(store.outbox, "here") == again


def test_waiting_ends_with_the_next_message(store: Store) -> None:
    posts = store.outbox.posts
    store.outbox.register("a")
    post(store, 1)
    store.outbox.wait(posts, 60.0)  # returns at once: it was announced since
    assert store.outbox.posts == posts + 1


def test_a_message_that_was_trimmed_while_it_was_told_brings_nothing_back(store: Store) -> None:
    store.outbox.register("a")
    events = post(store, 3)
    message = store.outbox.next("a")
    assert message is not None
    store.outbox.trim(messages=1, seconds=1e9)
    store.outbox.told("a", message)
    (status,) = store.outbox.status()
    assert (status.waiting, status.lost) == (1, 2)
    assert store._database.rows("SELECT number FROM cursors")[0]["number"] == 2
    assert told(store.outbox, "a") == events[2:]
