"""The thread that feeds one sink from the outbox: in order, at least once, and for as long as it takes."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rheostat.errors import StateError
from rheostat.share.node.backoff import wait_before
from rheostat.share.node.outbox import Message, Outbox

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0  # seconds before another attempt
_IDLE_SECONDS = 1.0


@dataclass(frozen=True)
class Told:
    """The sink has the message."""


@dataclass(frozen=True)
class Later:
    """The sink cannot take the message now."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """The sink will never take this message."""

    reason: str


class Sink(Protocol):
    """Somebody who is told. Both methods are called from one thread.

    Attributes:
        name: The same in every run, and without secrets: the place in the outbox is kept by it.
    """

    name: str

    def tell(self, message: Message) -> Told | Later | Refused:
        """Hand a message over. After `Later` the same one comes again, until it is told or refused.

        It returns within seconds, and raises nothing because of what others do wrong.
        """
        ...

    def close(self) -> None:
        """End the connection."""
        ...


class SinkWorker:
    """Feeds one sink; starts at once.

    Args:
        sink: Who is told; closed by `close`.
        outbox: Where the messages are; the sink is made known to it.
        told: Told why the sink takes nothing, once until it does or the reason is another, and what it refuses.
        generator: Spreads the waits.
        wait: Waits for the stop of the worker, some seconds at most, and tells whether it came.

    Attributes:
        problem: Why the sink takes nothing; empty while it does.
    """

    def __init__(
        self,
        sink: Sink,
        outbox: Outbox,
        *,
        told: Callable[[str], None] = lambda _: None,
        generator: random.Random | None = None,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self.sink, self._outbox, self._told, self._wait = sink, outbox, told, wait
        self._generator = generator or random.Random()
        self._stop = threading.Event()
        self.problem = ""
        outbox.register(sink.name)
        self._thread = threading.Thread(target=self._run, name=f"sink {sink.name}", daemon=True)
        self._thread.start()

    def close(self, timeout: float = 15.0) -> None:
        """End the thread; what was not told stays in the outbox.

        Args:
            timeout: Seconds that the sink may take for the message that it is at.
        """
        self._stop.set()
        self._outbox.announce()
        self._thread.join(timeout)

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            failures = self._step(failures)
            if failures:
                self._wait(self._stop, wait_before(failures, FIRST_WAIT, LONGEST_WAIT, self._generator))
        self.sink.close()

    def _step(self, failures: int) -> int:
        """Tell one message, or wait for one; gives the number of failures in a row."""
        posts = self._outbox.posts
        try:
            message = self._outbox.next(self.sink.name)
            if message is None:
                self._outbox.wait(posts, _IDLE_SECONDS)
                return 0
            outcome = self.sink.tell(message)
            if isinstance(outcome, Later):
                return self._failed(outcome.reason, failures)
            if isinstance(outcome, Refused):
                self._outbox.refused(self.sink.name, message, outcome.reason)
                # not of which event, which the outbox notes: one that refuses them all would fill the log with it
                self._told(f"sink {self.sink.name} refuses `{message.kind}`: {outcome.reason}")
            else:
                self._outbox.told(self.sink.name, message)
        except StateError as error:  # the store cannot be read or written just now, e.g. because the disk is full
            return self._failed(str(error), failures)
        self.problem = ""
        return 0

    def _failed(self, problem: str, failures: int) -> int:
        if problem != self.problem:
            self._told(f"sink {self.sink.name}: {problem}")
        self.problem = problem
        return failures + 1
