"""Where events are kept: one SQLite file, written by one process, read by any.

An event is written when it starts, while it goes on, and when it ends; so a kill at any moment leaves every finished
event whole, and one that was open is found when the store is opened again, and closed as `interrupted` at its last
known hit.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from rheostat.database import Database, make_whole, take_lock
from rheostat.errors import StateError
from rheostat.share.node.events import Run
from rheostat.share.node.outbox import Outbox
from rheostat.share.node.tables import migrate


@dataclass(frozen=True)
class Event:
    """One event as it is kept.

    Attributes:
        id: Unique, also among the events of other stores.
        app: Name of the app that saw it.
        state: `open` while it goes on; `interrupted` if the node died before its end.
        start, end: First and last known hit, in seconds of the stream (which begins anew with every run of the node).
        started_at, ended_at: The same by the wall clock, in seconds.
        created_at: Wall clock when the node noticed it.
        peak, peak_seconds, peak_slot: Highest score in [0, 1], and where in the stream it was.
        hits: Samples in which the app saw it.
        source, plan: What was looked at, and the hash of the plan.
        snapshot, clip: Names of its files in the folder of evidence, or None.
        note: Why a file is not there.
    """

    id: str
    app: str
    state: Literal["open", "closed", "interrupted"]
    start: float
    end: float
    started_at: float
    ended_at: float
    created_at: float
    peak: float
    peak_seconds: float
    peak_slot: int
    hits: int
    source: str
    plan: str
    snapshot: str | None = None
    clip: str | None = None
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """As a JSON object with the attributes as keys."""
        return asdict(self)


_COLUMNS = ", ".join(f'"{name}"' for name in Event.__dataclass_fields__)


class StoreReader:
    """Reads a store, also while a node writes it.

    Args:
        path: The file.

    Raises:
        StateError: There is none, or it is not a store.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise StateError(f"there is no store {path}: give the path of one that a node has written")
        self._database = Database(path, readonly=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def events(
        self, *, app: str | None = None, since: float | None = None, before: str | None = None, limit: int = 100
    ) -> list[Event]:
        """Events, as `Store.events` gives them."""
        return _events(self._database, app, since, before, limit)

    def event(self, event: str) -> Event:
        """One event, as `Store.event` gives it."""
        return _event(self._database, event)


class Store:
    """The events of a node, and what is still to be told of them; every method may be called from any thread.

    Args:
        path: The file; it and its folder are made if need be.
        clock: Wall clock in seconds.

    Attributes:
        outbox: Messages to sinks: `started`, `finished` and `evidence`, each with the event as it then was.
        interrupted: Events that were open when the last node died, closed now.

    Raises:
        StateError: Another process writes it, it is of a later version, or cannot be written.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        with ExitStack() as opened:
            opened.callback(os.close, take_lock(path))
            if not path.exists():
                make_whole(path, lambda beside: _up_to_date(beside, path))
            self._database = _up_to_date(path, path)
            opened.callback(self._database.close)
            self.outbox = Outbox(self._database, clock)
            self.interrupted = self._close_interrupted()
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, app: str, run: Run, *, seen: float, source: str, plan: str) -> Event:
        """Keep an event that has just started.

        Args:
            app: Name of the app.
            run: Its hits so far.
            seen: Time of the stream by now, at the last of them.
            source: Name of the source.
            plan: Hash of the plan.

        Raises:
            StateError: It cannot be written, e.g. because the disk is full; so for the other methods that write.
        """
        now = self._clock()
        started_at = now - (seen - run.first)
        event = Event(
            id=uuid.uuid4().hex,
            app=app,
            state="open",
            start=run.first,
            end=run.last,
            started_at=started_at,
            ended_at=started_at + run.last - run.first,
            created_at=now,
            peak=run.peak.score,
            peak_seconds=run.peak.seconds,
            peak_slot=run.peak.slot,
            hits=run.hits,
            source=source,
            plan=plan,
        )
        values = event.as_json()
        with self._database.writing(durable=True) as connection:
            marks = ", ".join(f":{name}" for name in values)
            connection.execute(f"INSERT INTO events ({_COLUMNS}) VALUES ({marks})", values)  # noqa: S608 - own names
            self.outbox.post(connection, event.id, "started", values)
        self.outbox.announce()
        return event

    def update(self, event: str, run: Run) -> None:
        """Keep how far an open event, named by its identifier, has come."""
        with self._database.writing(durable=False) as connection:
            connection.execute(_GOES_ON, {"event": event, "state": "open", **_of_run(run)})

    def finish(self, event: str, run: Run) -> Event:
        """Close an event; it is on the disk when this returns."""
        return self._change(event, "finished", _GOES_ON, {"state": "closed", **_of_run(run)})

    def attach(
        self, event: str, *, snapshot: str | None = None, clip: str | None = None, note: str = "", last: bool = False
    ) -> Event:
        """Note the files of an event, or why there are none; what is not given stays.

        Args:
            event: Its identifier.
            snapshot: Name of a file in the folder of evidence.
            clip: Another.
            note: Why one is missing; it is added to what was noted before.
            last: Whether nothing will follow, so that sinks are told now (see `evidence.Written.last`).
        """
        return self._change(
            event,
            "evidence" if last else None,
            "UPDATE events SET snapshot = COALESCE(:snapshot, snapshot), clip = COALESCE(:clip, clip), "
            "note = CASE WHEN :note = '' THEN note WHEN note = '' THEN :note ELSE note || '; ' || :note END "
            "WHERE id = :event",
            {"snapshot": snapshot, "clip": clip, "note": note},
        )

    def without_files(self, names: Iterable[str]) -> None:
        """Files of evidence were removed because of their age: the events stay, and say so."""
        with self._database.writing(durable=False) as connection:
            for name in names:
                for column in ("snapshot", "clip"):
                    connection.execute(
                        f"UPDATE events SET {column} = NULL, "  # noqa: S608 - own names
                        f"note = TRIM(note || '; {column} no longer kept', '; ') WHERE {column} = ?",
                        (name,),
                    )

    def events(
        self, *, app: str | None = None, since: float | None = None, before: str | None = None, limit: int = 100
    ) -> list[Event]:
        """Events, the latest first.

        Args:
            app: Only of this app.
            since: Only that ended, as far as is known, at or after this wall clock time, in seconds.
            before: Only that came before the event of this identifier; none if there is no such event.
            limit: How many at most.
        """
        return _events(self._database, app, since, before, limit)

    def event(self, event: str) -> Event:
        """The event of an identifier.

        Raises:
            StateError: There is none.
        """
        return _event(self._database, event)

    def close(self) -> None:
        """Close the file, so that another process may write it."""
        self._opened.close()

    def _change(self, name: str, kind: str | None, statement: str, values: dict[str, Any]) -> Event:
        with self._database.writing(durable=True) as connection:
            connection.execute(statement, {"event": name, **values})
            event = _event(self._database, name)
            if kind is not None:
                self.outbox.post(connection, name, kind, event.as_json())
        self.outbox.announce()
        return event

    def _close_interrupted(self) -> tuple[Event, ...]:
        with self._database.writing(durable=True) as connection:
            rows = self._database.rows("SELECT id FROM events WHERE state = 'open' ORDER BY number")
            connection.execute("UPDATE events SET state = 'interrupted' WHERE state = 'open'")
            events = tuple(_event(self._database, row["id"]) for row in rows)
            for event in events:
                self.outbox.post(connection, event.id, "finished", event.as_json())
        return events


_GOES_ON = """UPDATE events SET state = :state, "end" = :end, ended_at = started_at + :end - start, peak = :peak,
    peak_seconds = :peak_seconds, peak_slot = :peak_slot, hits = :hits WHERE id = :event AND state = 'open'"""


def _of_run(run: Run) -> dict[str, Any]:
    peak = run.peak
    return {
        "end": run.last,
        "peak": peak.score,
        "peak_seconds": peak.seconds,
        "peak_slot": peak.slot,
        "hits": run.hits,
    }


def _up_to_date(file: Path, path: Path) -> Database:
    """The opened file with the tables of the present version; errors name `path`."""
    database = Database(file)
    try:
        migrate(database.connection, path)
    except BaseException:
        database.close()
        raise
    return database


def _events(database: Database, app: str | None, since: float | None, before: str | None, limit: int) -> list[Event]:
    values = {"app": app, "since": since, "before": before}
    conditions = {
        "app": "app = :app",
        "since": "ended_at >= :since",
        "before": "number < (SELECT number FROM events WHERE id = :before)",
    }
    # only what is asked for: with `:app IS NULL OR app = :app` SQLite would not look into `events_by_app`
    asked = " AND ".join(conditions[name] for name, value in values.items() if value is not None) or "TRUE"
    rows = database.rows(
        f"SELECT {_COLUMNS} FROM events WHERE {asked} ORDER BY number DESC LIMIT :limit",  # noqa: S608 - own names
        {**values, "limit": limit},
    )
    return [Event(**row) for row in rows]


def _event(database: Database, name: str) -> Event:
    rows = database.rows(f"SELECT {_COLUMNS} FROM events WHERE id = ?", (name,))  # noqa: S608 - own names
    if not rows:
        raise StateError(f"there is no event {name!r} in {database.path}: `events` lists those there are")
    return Event(**rows[0])
