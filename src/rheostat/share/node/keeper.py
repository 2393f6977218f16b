"""Writes down what apps see: into the store, with the pictures that belong to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from rheostat.errors import StateError
from rheostat.share.frames import Picture
from rheostat.share.node.events import Finished, Record, Started, Updated
from rheostat.share.node.evidence import Evidence, Written
from rheostat.share.node.metrics import Metrics
from rheostat.share.node.store import Event, Store
from rheostat.share.node.watch import Watch

MOST_UNFINISHED = 1000


class Keeper:
    """Keeps events. Where the store cannot be written, the node goes on and the ends of events are tried again.

    Args:
        store: Of the events.
        metrics: Counts them.
        source: Name of the source.
        problem: Told what went wrong, in one line.
        finished: Told of every event that is over, once it is on the disk.

    Attributes:
        evidence: Of the pictures; None = none are kept.
        plan: Hash of the plan of the moment.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        source: str,
        problem: Callable[[str], None],
        finished: Callable[[Event], None] | None = None,
    ) -> None:
        self._store, self._metrics, self._source, self._problem = store, metrics, source, problem
        self._finished = finished
        self.evidence: Evidence | None = None
        self.plan = ""
        self._unfinished: deque[tuple[Watch, Finished]] = deque(maxlen=MOST_UNFINISHED)

    def keep(self, watch: Watch, record: Record, picture: Picture | None = None) -> None:
        """Write what happened to an app.

        Args:
            watch: The app.
            record: What happened.
            picture: Of the sample that it happened at, where there is one.
        """
        try:
            if watch.event is None:
                self._start(watch, record, picture)
                if isinstance(record, Started):
                    return
            assert watch.event is not None
            if isinstance(record, Updated):
                self._store.update(watch.event, record.run)
                if record.risen and self.evidence is not None and picture is not None:
                    self.evidence.peak(watch.event, picture)
            elif isinstance(record, Finished):
                event = self._store.finish(watch.event, record.run)
                if self._finished is not None:
                    self._finished(event)
                if self.evidence is not None:
                    self.evidence.end(watch.event, record.run.last)
                watch.event = None
        except StateError as error:
            self._problem(str(error))
            if isinstance(record, Finished):
                self._unfinished.append((replace(watch), record))
                watch.event = None  # the next event of the app is another one

    def finish(self, watch: Watch) -> None:
        """End the open event of an app, if it has one, because it will not look again."""
        for record in watch.finish():
            self.keep(watch, record)

    def retry(self) -> None:
        """Try once more to write the ends of events that could not be written, until one fails again."""
        for waiting in range(len(self._unfinished), 0, -1):
            self.keep(*self._unfinished.popleft())
            if len(self._unfinished) == waiting:
                return

    def written(self, file: Written) -> None:
        """Note what became of a snapshot or clip."""
        self._metrics.evidence(file.kind, written=file.name is not None)
        if file.name is None:
            self._problem(f"event {file.event}: {file.note}")
        names = {file.kind: file.name}
        try:
            self._store.attach(
                file.event,
                snapshot=names.get("snapshot"),
                clip=names.get("clip"),
                note=file.note,
                last=file.last,
            )
        except StateError as error:
            self._problem(str(error))

    def _start(self, watch: Watch, record: Record, picture: Picture | None) -> None:
        """Write the start of an event: as it starts, or with what comes next if that failed."""
        seen = record.seen if isinstance(record, Started) else record.run.last
        event = self._store.start(watch.plan.name, record.run, seen=seen, source=self._source, plan=self.plan)
        watch.event = event.id
        watch.events += 1
        self._metrics.event(watch.plan.name)
        if self.evidence is not None and picture is not None:
            self.evidence.begin(event.id, record.run.first, picture)
