"""A sink that is an MQTT broker.

::

    PREFIX/APP/KIND        a message (`started`, `finished`, `evidence`), QoS 1
    PREFIX/availability    `online`, or `offline` (also by the last will of a node that died), retained
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from rheostat.share.node.outbox import Message
from rheostat.share.node.sinks.worker import Later, Told


@dataclass(frozen=True)
class Broker:
    """Where a broker is, and what it is told under.

    Attributes:
        prefix: First part of all topics.
        tls: Whether the connection is encrypted, and the broker's certificate checked.
    """

    host: str
    port: int = 1883
    prefix: str = "rheostat"
    username: str | None = None
    password: str | None = None
    tls: bool = False


class MqttSink:
    """Publishes every message; it is told when the broker has acknowledged it.

    Args:
        broker: Where it is.
        patience: Seconds that a connection, or an acknowledgement, is waited for before `tell` says `Later`.
        longest_wait: Seconds between attempts to reconnect, at most.
    """

    def __init__(self, broker: Broker, *, patience: float = 5.0, longest_wait: int = 30) -> None:
        self.name = f"mqtt:{broker.host}:{broker.port}/{broker.prefix}"
        self._broker, self._patience = broker, patience
        self._availability = f"{broker.prefix}/availability"
        self._changed = threading.Condition()
        self._connected = False
        self._reason = "not connected yet"
        self._acknowledged: set[int] = set()
        self._under_way: tuple[int, int] | None = None  # number of a message, and what paho calls it
        self._client = self._new_client()
        self._client.reconnect_delay_set(1, longest_wait)
        self._client.connect_async(broker.host, broker.port, keepalive=30)
        self._client.loop_start()

    def tell(self, message: Message) -> Told | Later:
        """Publish it, and wait for the acknowledgement."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._connected, self._patience):
                return Later(self._reason)
        # paho sends what it was given again by itself after a new connection: it is given each message once
        if self._under_way is None or self._under_way[0] != message.number:
            topic = f"{self._broker.prefix}/{as_level(json.loads(message.content)['app'])}/{message.kind}"
            self._under_way = message.number, self._client.publish(topic, message.content, qos=1).mid
        mid = self._under_way[1]
        with self._changed:
            if not self._changed.wait_for(lambda: mid in self._acknowledged, self._patience):
                return Later("the broker does not acknowledge" if self._connected else self._reason)
            self._acknowledged.clear()
        self._under_way = None
        return Told()

    def close(self) -> None:
        """Say that the node is going, and disconnect."""
        if self._connected:
            with contextlib.suppress(RuntimeError, ValueError):  # it was lost just now: the last will says the same
                self._client.publish(self._availability, "offline", qos=1, retain=True).wait_for_publish(self._patience)
        self._client.disconnect()
        self._client.loop_stop()

    def _new_client(self) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        if self._broker.tls:
            client.tls_set()
        client.will_set(self._availability, "offline", qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_connect_fail, client.on_publish = self._on_connect_fail, self._on_publish
        return client

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if not code.is_failure:
            client.publish(self._availability, "online", qos=1, retain=True)
        self._set_connected(f"the broker refuses: {code}", connected=not code.is_failure)

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self._set_connected(f"disconnected: {code}")

    def _on_connect_fail(self, _client: mqtt.Client, _data: Any) -> None:
        error = sys.exception()  # paho calls from where it handles it: no route, or a certificate that is not trusted
        self._set_connected(f"{self._broker.host}:{self._broker.port} cannot be reached{f': {error}' if error else ''}")

    def _on_publish(self, _client: mqtt.Client, _data: Any, mid: int, _code: Any, _properties: Any) -> None:
        with self._changed:
            self._acknowledged.add(mid)
            self._changed.notify_all()

    def _set_connected(self, reason: str, *, connected: bool = False) -> None:
        with self._changed:
            self._connected, self._reason = connected, reason
            self._changed.notify_all()


def as_level(name: str) -> str:
    """A name as one level of a topic: what would part or match levels becomes `_`."""
    return re.sub(r"[/+#\x00]", "_", name)
