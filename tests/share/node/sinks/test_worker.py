import random
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from rheostat.errors import SettingsError, StateError
from rheostat.share.node.outbox import Message
from rheostat.share.node.sinks import Later, Refused, SinkWorker, Told, open_sink
from rheostat.share.node.sinks.jsonl import JsonlSink
from rheostat.share.node.sinks.mqtt import MqttSink, as_level
from rheostat.share.node.sinks.webhook import WebhookSink
from rheostat.share.node.store import Store
from tests.share.node.sinks.conftest import post, wait_until_told


class Listener:
    """A sink that answers what it is told to, and then `Told`."""

    def __init__(self, answers: Sequence[Told | Later | Refused] = ()) -> None:
        self.name = "listener"
        self.answers, self.heard, self.closed = list(answers), [], False
        self.told = threading.Event()

    def tell(self, message: Message) -> Told | Later | Refused:
        self.heard.append(message.event)
        answer = self.answers.pop(0) if self.answers else Told()
        if isinstance(answer, Told):
            self.told.set()
        return answer

    def close(self) -> None:
        self.closed = True


def working(sink: Listener, store: Store, waits: list[float], told: list[str] | None = None) -> SinkWorker:
    def wait(stop: threading.Event, seconds: float) -> bool:
        waits.append(seconds)
        return stop.is_set()

    heard = told if told is not None else []
    return SinkWorker(sink, store.outbox, told=heard.append, generator=random.Random(0), wait=wait)


def test_messages_come_in_order_and_each_again_until_it_is_told(store: Store) -> None:
    waits, sink = [], Listener([Told(), Later("down"), Later("down"), Later("down")])
    worker = working(sink, store, waits)
    events = post(store, 3)
    wait_until_told(store)
    worker.close()
    assert sink.heard == [events[0], *[events[1]] * 4, events[2]]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, (0.5, 1.0, 2.0), strict=True))
    assert sink.closed
    assert worker.problem == ""


def test_waits_are_bounded(store: Store) -> None:
    waits, sink = [], Listener([Later("down")] * 300)
    worker = working(sink, store, waits)
    post(store, 1)
    wait_until_told(store)
    worker.close()
    assert len(waits) == 300
    assert 30 <= max(waits) <= 60


def test_a_refusal_is_noted_and_the_next_message_comes(store: Store) -> None:
    sink = Listener([Refused("HTTP 404 Not Found")])
    worker = working(sink, store, [])
    events = post(store, 2)
    wait_until_told(store)
    worker.close()
    assert sink.heard == events
    (refusal,) = store.outbox.refusals()
    assert (refusal["event"], refusal["reason"]) == (events[0], "HTTP 404 Not Found")


def test_why_it_takes_nothing_is_told_once_and_again_after_it_took_something(store: Store) -> None:
    down = [Later("not connected yet"), Later("refused"), Later("refused")]
    told, sink = [], Listener([*down, Told(), Later("refused"), Told(), Refused("HTTP 401 Unauthorized")])
    worker = working(sink, store, [], told)
    post(store, 3)
    wait_until_told(store)
    worker.close()
    assert told == [
        "sink listener: not connected yet",
        "sink listener: refused",
        "sink listener: refused",
        "sink listener refuses `started`: HTTP 401 Unauthorized",
    ]


def test_a_store_that_cannot_be_written_stops_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    told, failures = store.outbox.told, [StateError("store x cannot be written: disk is full")] * 2

    def failing(sink: str, message: Message) -> None:
        if failures:
            raise failures.pop()
        told(sink, message)

    monkeypatch.setattr(store.outbox, "told", failing)
    sink = Listener()
    worker = working(sink, store, [])
    (event,) = post(store, 1)
    wait_until_told(store)
    worker.close()
    assert sink.heard == [event] * 3  # at least once


def test_what_was_not_told_when_the_node_ends_comes_with_the_next(store: Store) -> None:
    first = Listener([Later("down")] * 10_000)
    worker = SinkWorker(first, store.outbox)
    (event,) = post(store, 1)
    while not worker.problem:
        threading.Event().wait(0.01)
    assert worker.problem == "down"
    worker.close()
    second = Listener()
    worker = SinkWorker(second, store.outbox)
    assert second.told.wait(10.0)
    worker.close()
    assert second.heard == [event]


def test_names_of_sinks(tmp_path: Path) -> None:
    sink = open_sink(str(tmp_path / "events.jsonl"))
    assert isinstance(sink, JsonlSink)
    hook = open_sink("https://hooks.example/token-9")
    assert isinstance(hook, WebhookSink)
    assert hook.name.startswith("webhook:hooks.example#")
    assert "token" not in hook.name
    other = open_sink("https://hooks.example/token-8")
    assert hook.name != other.name
    hook.close()
    other.close()
    broker = open_sink("mqtt://us%40er:s3cret@127.0.0.1:1/site/one")
    assert isinstance(broker, MqttSink)
    assert broker.name == "mqtt:127.0.0.1:1/site/one"
    assert (broker._broker.username, broker._broker.password, broker._broker.tls) == ("us@er", "s3cret", False)
    broker.close()


@pytest.mark.parametrize("name", ["events.txt", "ftp://host/x", "mqtt://", "mqtt://host:port/", "http:///path"])
def test_a_name_that_is_no_sink_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=r"sink '.*give mqtt://"):
        open_sink(name)


@pytest.mark.parametrize("prefix", ["site/+", "%23", "a%00b"])
def test_a_prefix_that_no_message_can_have_is_refused_without_the_password(prefix: str) -> None:
    with pytest.raises(
        SettingsError, match=r"sink 'mqtt://127\.0\.0\.1:1/\.\.\.': its prefix must hold none"
    ) as refused:
        open_sink(f"mqtt://u:s3cret@127.0.0.1:1/{prefix}").close()
    assert "s3cret" not in str(refused.value)


def test_a_name_is_one_level_of_a_topic() -> None:
    assert as_level("hall/door +1 #2") == "hall_door _1 _2"
