"""What is still to be told to others: messages in the order of their posting, and how far each sink has come.

They lie in the store's file, in the same transaction as the event that they tell of, so none is lost to a kill or to a
broker that is down; the memory of the node holds none.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rheostat.database import Database

_REFUSALS = 1000  # kept


@dataclass(frozen=True)
class Message:
    """One thing to tell.

    Attributes:
        number: Its place in the order.
        event: Identifier of the event; with `kind` it tells a message that comes twice.
        kind: `started`, `finished` or `evidence`.
        content: JSON object.
    """

    number: int
    event: str
    kind: str
    content: str

    @property
    def key(self) -> str:
        """The same whenever this message is sent."""
        return f"{self.event}-{self.kind}"


@dataclass(frozen=True)
class SinkStatus:
    """How far one sink has come: messages that wait, were refused by it for good, or were too old to be kept."""

    sink: str
    waiting: int
    refused: int
    lost: int


class Outbox:
    """The messages of a store; every method may be called from any thread.

    Args:
        database: Of the store.
        clock: Wall clock in seconds.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database, self._clock = database, clock
        self._posts = 0
        self._changed = threading.Condition()

    def register(self, sink: str) -> None:
        """Make a sink known. One that is new is told what is posted from now on."""
        with self._database.writing(durable=True) as connection:
            connection.execute(
                "INSERT OR IGNORE INTO cursors (sink, number) SELECT ?, COALESCE(MAX(number), 0) FROM outbox", (sink,)
            )

    def post(self, connection: sqlite3.Connection, event: str, kind: str, content: Mapping[str, Any]) -> None:
        """Add a message, as part of the transaction that `connection` is in; call `announce` after it."""
        connection.execute(
            "INSERT INTO outbox (event, kind, content, posted_at) SELECT ?, ?, ?, ? "
            "WHERE EXISTS (SELECT 1 FROM cursors)",
            (event, kind, json.dumps({"kind": kind, **content}), self._clock()),
        )

    def announce(self) -> None:
        """Wake those who wait for a message."""
        with self._changed:
            self._posts += 1
            self._changed.notify_all()

    @property
    def posts(self) -> int:
        """Number that changes with every announcement."""
        return self._posts

    def wait(self, posts: int, timeout: float) -> None:
        """Wait until `posts` is no longer the number of announcements, `timeout` seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: self._posts != posts, timeout)

    def next(self, sink: str) -> Message | None:
        """The oldest message that the sink was not told, or None."""
        rows = self._database.rows(
            "SELECT number, event, kind, content FROM outbox "
            "WHERE number > (SELECT number FROM cursors WHERE sink = ?) ORDER BY number LIMIT 1",
            (sink,),
        )
        return Message(**rows[0]) if rows else None

    def told(self, sink: str, message: Message) -> None:
        """The sink has the message."""
        with self._database.writing(durable=False) as connection:
            _move(connection, sink, message)

    def refused(self, sink: str, message: Message, reason: str) -> None:
        """The sink will never take the message: note it, and go on."""
        with self._database.writing(durable=True) as connection:
            _move(connection, sink, message)
            connection.execute("UPDATE cursors SET refused = refused + 1 WHERE sink = ?", (sink,))
            connection.execute(
                "INSERT INTO refusals (sink, event, kind, reason, refused_at) VALUES (?, ?, ?, ?, ?)",
                (sink, message.event, message.kind, reason, self._clock()),
            )
            connection.execute(
                "DELETE FROM refusals WHERE number <= (SELECT MAX(number) FROM refusals) - ?", (_REFUSALS,)
            )

    def refusals(self) -> list[dict[str, Any]]:
        """What sinks refused, oldest first: sink, event, kind, reason, refused_at."""
        query = "SELECT sink, event, kind, reason, refused_at FROM refusals ORDER BY number"
        return [dict(row) for row in self._database.rows(query)]

    def status(self) -> list[SinkStatus]:
        """How far every sink has come, by name."""
        return [
            SinkStatus(**row)
            for row in self._database.rows(
                "SELECT sink, refused, lost, "
                "(SELECT COUNT(*) FROM outbox WHERE outbox.number > cursors.number) AS waiting "
                "FROM cursors ORDER BY sink"
            )
        ]

    def trim(self, *, messages: int, seconds: float) -> None:
        """Remove what every sink was told, and what is beyond the bounds, which is lost to those who were not.

        Args:
            messages: How many are kept at most, the newest.
            seconds: How old they may be.
        """
        with self._database.writing(durable=False) as connection:
            bound = connection.execute(
                "SELECT MAX(COALESCE((SELECT MAX(number) FROM outbox WHERE posted_at < ?), 0), "
                "COALESCE((SELECT number FROM outbox ORDER BY number DESC LIMIT 1 OFFSET ?), 0))",
                (self._clock() - seconds, messages),
            ).fetchone()[0]
            connection.execute(
                "UPDATE cursors SET lost = lost + (SELECT COUNT(*) FROM outbox "
                "WHERE outbox.number > cursors.number AND outbox.number <= :bound), number = :bound "
                "WHERE number < :bound",
                {"bound": bound},
            )
            connection.execute("DELETE FROM outbox WHERE number <= (SELECT MIN(number) FROM cursors)")


def _move(connection: sqlite3.Connection, sink: str, message: Message) -> None:
    # a message that was trimmed while it was on its way has been passed already
    connection.execute("UPDATE cursors SET number = MAX(number, ?) WHERE sink = ?", (message.number, sink))
