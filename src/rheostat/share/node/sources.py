"""Where pictures come from: a video file, a folder of pictures, a URL, a webcam; each decoded in a process of its own.

`Source.read` is the whole of it::

    connecting -> running -> ended                    a file or folder is over
         ^           |
         |           +-> stalled (nothing came in time)  -+
         |           +-> failed (with the reason)        -+
         +---------------- wait, longer each time <-------+

A file or folder gives every slot, however long the reader takes; where its decoder is killed it goes on with the next
frame. A live source gives the newest slot, and counts the ones before it as dropped; after an interruption its time
has gone on as the clock did, and the first frame is marked.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, Self

from rheostat.errors import SettingsError
from rheostat.share.frames import Picture
from rheostat.share.node.backoff import wait_before
from rheostat.share.node.child import Child
from rheostat.share.node.decoder import Counts, Order
from rheostat.share.node.source_names import SourceName, parse_source

_CELLS = 4


class Phase(StrEnum):
    """What a source is doing."""

    CONNECTING = "connecting"
    RUNNING = "running"
    STALLED = "stalled"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(frozen=True)
class SourceState:
    """What a source is doing, since when (wall clock, seconds), and why; while it connects, why the last time ended.

    Attributes:
        over: No frame will ever come again: the source has ended, failed for good, or was closed.
    """

    phase: Phase
    since: float
    reason: str = ""
    over: bool = False


@dataclass(frozen=True)
class SourceCounts:
    """What a source did since it was made, over all of its processes.

    Attributes:
        decoded: Frames decoded.
        between: Of these, not the first of their slot; their pictures were never made.
        given: Frames given to the reader.
        dropped: Slots of a live source that a newer one replaced before the reader asked.
        corrupt: Packets, frames and files that could not be decoded.
        restarts: Processes started after the first.
        cpu_seconds: Processor time of the processes.
    """

    decoded: int = 0
    between: int = 0
    given: int = 0
    dropped: int = 0
    corrupt: int = 0
    restarts: int = 0
    cpu_seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a source.

    Attributes:
        picture: `[H, W, 3]` uint8, red, green, blue; the reader's own.
        number: How many frames were given before it.
        position: Its number in its file, or since the connection was made.
        slot: The slot of its time (see `decoder.slot_of`); larger than that of the frame before.
        seconds: Time of the stream, from 0 on, larger than that of the frame before.
        arrived: Wall clock when it was decoded (of a file: when there was room for it), in seconds.
        clock: Monotonic clock at that time, to measure how long it takes from there.
        gap: Whether the source was interrupted before it, so that frames are missing.
    """

    picture: Picture
    number: int
    position: int
    slot: int
    seconds: float
    arrived: float
    clock: float
    gap: bool = False


@dataclass(frozen=True)
class Patience:
    """How long a source is waited for, all in seconds.

    Attributes:
        open_seconds: Until the first frame must have come.
        read_seconds: Until the next frame must have come.
        first_wait, longest_wait: Before the first new attempt, and at most; each wait is twice the one before. A source
            that has run for `longest_wait` starts again with the first.
        attempts: How often a file or folder that gives no further frame is tried; live sources are tried for ever.
    """

    open_seconds: float = 15.0
    read_seconds: float = 10.0
    first_wait: float = 0.5
    longest_wait: float = 30.0
    attempts: int = 3


class Decoding(Protocol):
    """A process that decodes, see `child.Child`."""

    def free(self, cell: int) -> None:
        """Tell it that a cell may be filled."""
        ...

    def message(self, timeout: float) -> dict[str, Any] | None:
        """Wait for its next message."""
        ...

    def picture(self, cell: int, height: int, width: int) -> Picture:
        """A copy of the picture in a cell."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Source:
    """Gives the frames of one source; to be read and closed from one thread. A context manager.

    Args:
        name: As `parse_source` gives it, or a name that it takes.
        stream_fps: Slots per second, above 0: of every slot the first frame is given.
        patience: How long it is waited for.
        generator: Spreads the waits, so that many nodes do not reconnect at once.
        launch: Starts a process that decodes.
        clock: Monotonic, in seconds; `wall` is the time of day.
        sleep: Waits some seconds.

    Raises:
        SettingsError: `stream_fps` is not above 0, or the name is wrong.
    """

    def __init__(
        self,
        name: SourceName | str,
        *,
        stream_fps: float,
        patience: Patience | None = None,
        generator: random.Random | None = None,
        launch: Callable[[Order], Decoding] = Child,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not stream_fps > 0:
            raise SettingsError(f"stream_fps is {stream_fps:g}: must be above 0, the slots per second")
        self.name = parse_source(name) if isinstance(name, str) else name
        self.stream_fps = stream_fps
        self._patience = patience or Patience()
        self._generator = generator or random.Random()
        self._launch, self._clock, self._wall, self._sleep = launch, clock, wall, sleep
        self._child: Decoding | None = None
        self._started = self._heard = self._retry_at = 0.0
        self._asked = self._gap = False
        self._failures = 0
        self._last: dict[str, Any] | None = None  # message of the last frame
        self._past, self._present = SourceCounts(), Counts()
        self.state = SourceState(Phase.CONNECTING, wall())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def counts(self) -> SourceCounts:
        """What it did so far."""
        past, present = self._past, dataclasses.asdict(self._present)
        return dataclasses.replace(past, **{name: getattr(past, name) + value for name, value in present.items()})

    def read(self, timeout: float) -> Frame | None:
        """Wait for the next frame.

        Args:
            timeout: Seconds to wait at most, at least 0.

        Returns:
            The frame, or None if there was none in that time: `state` says whether there will be another.
        """
        deadline = self._clock() + timeout
        while not self.state.over:
            if self._child is not None:
                frame = self._next(self._child, deadline)
                if frame is not None or self._clock() >= deadline:
                    return frame
            elif self._clock() >= self._retry_at:
                self._start()
            elif self._clock() >= deadline:
                return None
            else:
                # the clock has gone on since it was asked: what is left may be less than nothing by now
                self._sleep(max(0.0, min(self._retry_at, deadline) - self._clock()))
        return None

    def close(self) -> None:
        """End the process; what was read stays."""
        self._drop_child()
        if not self.state.over:
            self._enter(Phase.ENDED, "closed", over=True)

    def _start(self) -> None:
        last = self._last
        order = Order(
            name=self.name.name,
            kind=self.name.kind,
            live=self.name.live,
            loop=self.name.loop,
            stream_fps=self.stream_fps,
            cells=1 if self.name.live else _CELLS,
            open_seconds=self._patience.open_seconds,
            read_seconds=self._patience.read_seconds,
        )
        if last is not None:
            order = dataclasses.replace(
                order, last_seconds=last["seconds"], last_clock=last["clock"], last_slot=last["slot"]
            )
            if not self.name.live:
                order = dataclasses.replace(order, offset=last["offset"])
            self._gap = self.name.live
        self._started = self._heard = self._clock()
        self._asked = False
        try:
            self._child = self._launch(order)
        except OSError as error:  # no process or memory to be had just now
            self._lost(Phase.FAILED, f"the decoder could not be started: {error}")
            return
        if not self.name.live:
            for cell in range(order.cells):
                self._child.free(cell)
        self._enter(Phase.CONNECTING, self.state.reason)

    def _next(self, child: Decoding, deadline: float) -> Frame | None:
        if self.name.live and not self._asked:
            child.free(0)
            self._asked = True
            self._heard = max(self._heard, self._clock())
        running = self.state.phase is Phase.RUNNING
        limit = self._heard + (self._patience.read_seconds if running else self._patience.open_seconds)
        message = child.message(min(deadline, limit) - self._clock())
        if message is None:
            if self._clock() >= limit:
                self._lost(Phase.STALLED, f"nothing came for {self._clock() - self._heard:.3g} s")
            return None
        self._heard = self._clock()
        if "counts" in message:
            self._present = Counts(**message["counts"])
        if message["is"] == "frame":
            return self._take(child, message)
        if message["is"] == "ended":
            self._drop_child()
            self._enter(Phase.ENDED, "", over=True)
        elif message["is"] in ("failed", "died"):
            self._lost(Phase.FAILED, message["reason"])
        return None

    def _take(self, child: Decoding, message: dict[str, Any]) -> Frame:
        frame = Frame(
            picture=child.picture(message["cell"], message["height"], message["width"]),
            number=self._past.given,
            gap=self._gap,
            **{name: message[name] for name in ("position", "slot", "seconds", "arrived", "clock")},
        )
        if not self.name.live:
            child.free(message["cell"])
        self._last, self._asked, self._gap = message, False, False
        self._past = dataclasses.replace(self._past, given=self._past.given + 1)
        if not self.name.live or self._clock() - self._started >= self._patience.longest_wait:
            self._failures = 0
        if self.state.phase is not Phase.RUNNING:
            self._enter(Phase.RUNNING, "")
        return frame

    def _lost(self, phase: Phase, reason: str) -> None:
        self._drop_child()
        self._failures += 1
        over = not self.name.live and self._failures >= self._patience.attempts
        first, longest = self._patience.first_wait, self._patience.longest_wait
        self._retry_at = self._clock() + wait_before(self._failures, first, longest, self._generator)
        self._past = dataclasses.replace(self._past, restarts=self._past.restarts + (not over))
        self._enter(Phase.FAILED if over else phase, reason, over=over)

    def _drop_child(self) -> None:
        if self._child is not None:
            child, self._child = self._child, None
            child.close()
        self._past, self._present = self.counts, Counts()

    def _enter(self, phase: Phase, reason: str, *, over: bool = False) -> None:
        self.state = SourceState(phase, self._wall(), reason, over)
