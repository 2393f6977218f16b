"""Against a real broker, taken down and brought back."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from rheostat.share.node.outbox import Message
from rheostat.share.node.sinks import Later, SinkWorker
from rheostat.share.node.sinks import mqtt as ours
from rheostat.share.node.store import Store
from tests.share.node.sinks.conftest import Broker, post, wait_until_told


class Subscriber:
    def __init__(self) -> None:
        self.heard: list[tuple[str, Any, bool]] = []
        self.changed = threading.Condition()

    def wait(self, enough: Callable[["Subscriber"], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: enough(self), 20.0), self.heard

    def events(self) -> list[str]:
        return [json.loads(content)["id"] for topic, content, _ in self.heard if topic.endswith("started")]

    def availability(self) -> list[str]:
        return [content.decode() for topic, content, _ in self.heard if topic.endswith("availability")]


@contextmanager
def subscribed(broker: Broker) -> Iterator[Subscriber]:
    subscriber, ready = Subscriber(), threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)

    def on_message(_client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        with subscriber.changed:
            subscriber.heard.append((message.topic, message.payload, message.retain))
            subscriber.changed.notify_all()

    client.on_message = on_message
    client.on_connect = lambda *_: client.subscribe("site/#", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    assert ready.wait(10.0)
    yield subscriber
    client.disconnect()
    client.loop_stop()


def sink_of(broker: Broker) -> ours.MqttSink:
    return ours.MqttSink(ours.Broker("127.0.0.1", broker.port, "site"), patience=0.3, longest_wait=1)


def impatient(stop: threading.Event, _seconds: float) -> bool:
    return stop.wait(0.05)


def test_events_and_availability_are_published(store: Store, broker: Broker) -> None:
    with subscribed(broker) as subscriber:
        worker = SinkWorker(sink_of(broker), store.outbox)
        events = post(store, 3, app="red car")
        wait_until_told(store)
        worker.close()
        subscriber.wait(lambda s: len(s.heard) >= 5)
        assert subscriber.events() == events
        assert subscriber.availability() == ["online", "offline"]
        assert {topic for topic, _, _ in subscriber.heard} == {"site/red car/started", "site/availability"}
    with subscribed(broker) as late:
        late.wait(lambda s: bool(s.heard))
        assert late.heard == [("site/availability", b"offline", True)]  # retained


def test_a_node_that_dies_is_told_by_its_last_will(broker: Broker) -> None:
    with subscribed(broker) as subscriber:
        sink = sink_of(broker)
        subscriber.wait(lambda s: s.availability() == ["online"])
        connection = sink._client.socket()
        assert connection is not None
        sink._client.reconnect_delay_set(60, 60)
        connection.shutdown(2)  # as if the machine were gone
        subscriber.wait(lambda s: s.availability() == ["online", "offline"])
        sink.close()


def test_a_broker_that_goes_and_returns_gets_everything_in_order(store: Store, broker: Broker) -> None:
    worker = SinkWorker(sink_of(broker), store.outbox, wait=impatient)
    events = post(store, 2)
    wait_until_told(store)
    broker.down()
    begun = time.monotonic()
    events += post(store, 20)  # the node is not held up
    assert time.monotonic() - begun < 10.0
    end = time.monotonic() + 10.0
    while not worker.problem and time.monotonic() < end:
        time.sleep(0.02)
    assert worker.problem
    assert store.outbox.status()[0].waiting == 20
    broker.up()
    with subscribed(broker) as subscriber:
        wait_until_told(store)
        subscriber.wait(lambda s: bool(s.events()) and s.events()[-1] == events[-1])
        heard = subscriber.events()
        assert heard == events[-len(heard) :]  # in order, none twice; those before it subscribed it could not hear
    worker.close()


def test_a_message_on_its_way_when_the_broker_dies_is_not_published_twice(broker: Broker) -> None:
    sink = sink_of(broker)
    published = []
    publish = sink._client.publish

    def counting(topic: str, *rest: Any, **options: Any) -> Any:
        if topic.endswith("started"):
            published.append(topic)
        return publish(topic, *rest, **options)

    sink._client.publish = counting  # type: ignore[method-assign]
    with sink._changed:
        assert sink._changed.wait_for(lambda: sink._connected, 10.0)
    broker.down()
    message = Message(1, "e1", "started", json.dumps({"id": "e1", "app": "train"}))
    sink._connected = True  # it does not know yet
    outcomes = [sink.tell(message)]
    assert isinstance(outcomes[0], Later)
    broker.up()
    while isinstance(outcomes[-1], Later) and len(outcomes) < 60:
        outcomes.append(sink.tell(message))
    assert not isinstance(outcomes[-1], Later)
    assert published == ["site/train/started"]
    sink.close()


def test_without_a_broker_a_sink_says_later_and_closes() -> None:
    sink = ours.MqttSink(ours.Broker("127.0.0.1", 1), patience=0.2)
    outcome = sink.tell(Message(1, "e1", "started", '{"app": "x"}'))
    assert isinstance(outcome, Later)
    assert outcome.reason in ("not connected yet", "127.0.0.1:1 cannot be reached: [Errno 111] Connection refused")
    sink.close()
