"""The process that decodes one source: run by its path, so that it starts in a quarter of a second and stays small.

It imports nothing of Rheostat: a child that `multiprocessing` starts anew would import the program that started it,
and `python -m` the packages around this file. Only `child.Child` starts it, and speaks with it:

- a file in memory, handed down, is cut into cells of one picture each; with its last handle it is gone, however its
  owners died;
- standard input carries the order, a line of JSON (arguments of a process are shown to everybody on the machine), then
  one byte per cell that is free; its end is the end of this process;
- a pipe carries one JSON object per line: `{"is": "frame", ...}`, `alive`, `memory`, `ended` or `failed`.

No lock is shared, so a kill at any moment leaves none held.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging
import numpy as np
import numpy.typing as npt

PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
ALIVE_SECONDS = 0.5  # between two signs of life while no frame of a slot comes
NEAR_SLOT = 0.05  # of a slot: containers round the time of a frame to milliseconds
JUMP_SECONDS = 2.0  # a camera's time may run that far from the clock's between two frames


@dataclass(frozen=True)
class Order:
    """What to decode, and from where on.

    Attributes:
        name: File, folder, URL, or device.
        kind: `file`, `folder`, `url` or `camera`.
        live: Whether only the newest frame counts, and a file is paced at its own rate.
        loop: Whether the file or folder begins again at its end.
        stream_fps: Slots per second, above 0.
        cells: Pictures that the memory holds; 1 for a live source, whose next picture is made when it is asked for.
        open_seconds, read_seconds: How long a URL may take to open, and for its next packet.
        offset: Time of the stream at which the file begins, in seconds; a live source begins at the present.
        last_seconds: Time of the stream of the last frame before, or None.
        last_clock: Monotonic clock at that time, of a live source.
        last_slot: Slot of that frame, or -1: what lies there and before is only decoded.
    """

    name: str
    kind: str
    live: bool = False
    loop: bool = False
    stream_fps: float = 10.0
    cells: int = 4
    open_seconds: float = 10.0
    read_seconds: float = 10.0
    offset: float = 0.0
    last_seconds: float | None = None
    last_clock: float = 0.0
    last_slot: int = -1


@dataclass
class Counts:
    """What a decoder has done so far.

    Attributes:
        decoded: Frames decoded.
        between: Of these, not the first of their slot.
        dropped: First of their slot, but a newer one came before anybody asked.
        corrupt: Packets and frames that could not be decoded.
        cpu_seconds: Processor time of the process.
    """

    decoded: int = 0
    between: int = 0
    dropped: int = 0
    corrupt: int = 0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Moment:
    """Where a frame belongs: its position in the file, where the file began, and its own time, in stream seconds."""

    position: int
    offset: float
    seconds: float


@dataclass(frozen=True)
class _Arrival:
    """The slot of a frame, and wall clock and monotonic clock when it was decoded."""

    slot: int
    arrived: float
    clock: float


def slot_of(seconds: float, stream_fps: float) -> int:
    """The slot that a time belongs to; one that is a hair before the next slot is taken for the next."""
    return int(seconds * stream_fps + NEAR_SLOT)


def advance(last: float, step: float | None, elapsed: float | None, usual: float) -> float:
    """Time of the next frame of a camera: its own clock's where that can be believed.

    Args:
        last: Time of the frame before, in seconds.
        step: How far the camera says that the time went on, or None.
        elapsed: How far the clock of this machine did.
        usual: Seconds from frame to frame.
    """
    if step is not None and step > 0 and (elapsed is None or abs(step - elapsed) <= JUMP_SECONDS):
        return last + step
    return last + (usual if elapsed is None else max(elapsed, usual / 100))


class Outlet:
    """Hands pictures over: a live source's newest when one is asked for, every one of a file's as cells come free.

    Args:
        memory: Handle of the file in memory.
        pipe: Handle that messages are written to.
        order: What is decoded.
    """

    def __init__(self, memory: int, pipe: int, order: Order) -> None:
        self._memory, self._pipe, self._order = memory, pipe, order
        self.counts = Counts()
        self._cell_bytes = 0
        self._map: mmap.mmap | None = None
        self._free: deque[int] = deque()
        self._pending: tuple[Any, Moment, _Arrival] | None = None
        self._slot = order.last_slot
        self._told = 0.0
        self._changed = threading.Condition()

    def credit(self, cell: int) -> None:
        """Take a cell back; if a frame waits, it goes into it."""
        with self._changed:
            self._free.append(cell)
            if self._pending is not None:
                waiting, self._pending = self._pending, None
                self._give(*waiting)
            self._changed.notify_all()

    def offer(self, frame: Any, moment: Moment) -> None:
        """Hand a decoded frame on, if it is the first of its slot; of a file, wait until there is room."""
        with self._changed:
            self.counts.decoded += 1
            slot = slot_of(moment.seconds, self._order.stream_fps)
            if slot <= self._slot:
                self.counts.between += 1
                self._sign_of_life()
                return
            self._slot = slot
            if not self._order.live:
                self._changed.wait_for(lambda: self._free)
            arrival = _Arrival(slot, time.time(), time.monotonic())
            if self._free:
                self._give(frame, moment, arrival)
                return
            self.counts.dropped += self._pending is not None
            self._pending = frame, moment, arrival

    def drain(self) -> None:
        """Wait until the last frame of a live source has been asked for."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending is None)

    def say(self, kind: str, **values: Any) -> None:
        """Send a message with the present counts."""
        self.counts.cpu_seconds = round(time.process_time(), 6)
        line = json.dumps({"is": kind, **values, "counts": asdict(self.counts)}) + "\n"
        rest = line.encode()
        while rest:
            rest = rest[os.write(self._pipe, rest) :]

    def _sign_of_life(self) -> None:
        # only while the other side waits for a frame: else the pipe would fill with what nobody reads
        now = time.monotonic()
        if self._free and now - self._told >= ALIVE_SECONDS:
            self._told = now
            self.say("alive")

    def _give(self, frame: Any, moment: Moment, arrival: _Arrival) -> None:
        picture = as_rgb(frame)
        if picture.nbytes > self._cell_bytes:
            self._grow(picture.nbytes)
        assert self._map is not None
        cell = self._free.popleft()
        place = np.frombuffer(self._map, np.uint8, picture.nbytes, cell * self._cell_bytes)
        place[:] = picture.reshape(-1)
        self._told = time.monotonic()
        height, width = picture.shape[:2]
        self.say("frame", cell=cell, height=height, width=width, **asdict(moment), **asdict(arrival))

    def _grow(self, cell_bytes: int) -> None:
        """Make the cells larger, once all of them are here: what lies in them is lost."""
        if self._map is not None:
            self._changed.wait_for(lambda: len(self._free) == self._order.cells)
        self._cell_bytes = cell_bytes
        os.ftruncate(self._memory, cell_bytes * self._order.cells)
        self._map = mmap.mmap(self._memory, cell_bytes * self._order.cells)
        self.say("memory", cell_bytes=cell_bytes)


def as_rgb(frame: Any) -> npt.NDArray[np.uint8]:
    """Give a decoded frame, or a picture that is one already, as `[H, W, 3]`."""
    return frame if isinstance(frame, np.ndarray) else frame.to_ndarray(format="rgb24")


class Pace:
    """Lets time pass as fast as a clock does, from the first frame on."""

    def __init__(self) -> None:
        self._start: float | None = None

    def wait(self, seconds: float) -> None:
        """Wait until the clock has come as far as the stream."""
        now = time.monotonic()
        if self._start is None:
            self._start = now - seconds
        time.sleep(max(0.0, self._start + seconds - now))


def decode(order: Order, outlet: Outlet) -> str:
    """Decode until the source ends, and say why it did: an empty reason for the end of a file."""
    pace = Pace() if order.live and order.kind in ("file", "folder") else None
    one_lap = _folder if order.kind == "folder" else _video
    offset = None if order.live else order.offset
    while True:
        end, step = None, 1 / order.stream_fps
        for position, seconds, frame in one_lap(order, outlet):
            if offset is None:
                offset = _now(order)
            step = step if end is None else seconds - end
            end = seconds
            if pace is not None:
                pace.wait(offset + seconds)
            outlet.offer(frame, Moment(position, offset, offset + seconds))
        if end is None or offset is None:
            return "nothing in it could be decoded"
        if not order.loop:
            outlet.drain()
            return "" if order.kind in ("file", "folder") else "the stream has ended"
        offset += end + step


def _folder(order: Order, outlet: Outlet) -> Iterator[tuple[int, float, npt.NDArray[np.uint8]]]:
    """Read all pictures once: position, seconds from the first one's place on, and picture.

    As `rheostat.share.clips.folder` reads those that apps are trained on: in the same order, and upright.
    """
    from PIL import Image, ImageOps

    known = (path for path in Path(order.name).iterdir() if path.suffix.lower() in PICTURES)
    paths = sorted((path for path in known if not path.name.startswith(".")), key=lambda path: _natural(path.name))
    for position, path in enumerate(paths):
        try:
            with Image.open(path) as image:
                picture = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # a broken PNG is a SyntaxError
            outlet.counts.corrupt += 1
            continue
        yield position, position / order.stream_fps, picture


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """A key that sorts 2.jpg before 10.jpg."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts if part], name


def _now(order: Order) -> float:
    """Time of the stream by now, for a live source: it has gone on as the clock did."""
    if order.last_seconds is None:
        return 0.0
    return order.last_seconds + max(time.monotonic() - order.last_clock, 1 / order.stream_fps)


def _video(order: Order, outlet: Outlet) -> Iterator[tuple[int, float, Any]]:
    """Decode all frames once: position, seconds from the first one on, and frame."""
    with _opened(order) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1  # of the cores of the box the apps need every one
        usual = float(1 / (stream.average_rate or Fraction(25)))
        by_clock = order.kind in ("url", "camera")
        seconds, before, clock = 0.0, None, None
        for position, frame in enumerate(_frames(container, stream, outlet)):
            own = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
            now = time.monotonic()
            if clock is not None:
                step = None if own is None or before is None else own - before
                seconds = advance(seconds, step, now - clock if by_clock else None, usual)
            before, clock = own, now
            yield position, seconds, frame


def _opened(order: Order) -> Any:
    options = {"rtsp_transport": "tcp"} if order.name.startswith("rtsp") else {}
    form = "v4l2" if order.kind == "camera" else None
    limits = (order.open_seconds, order.read_seconds) if order.kind == "url" else None
    container = av.open(order.name, format=form, options=options, timeout=limits)
    if not container.streams.video:
        container.close()
        raise ValueError("there is no video in it")
    return container


def _frames(container: Any, stream: Any, outlet: Outlet) -> Iterator[Any]:
    """Decode what can be decoded; what cannot is counted."""
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            outlet.counts.corrupt += 1
            continue
        for frame in frames:
            if frame.is_corrupt:
                outlet.counts.corrupt += 1
            else:
                yield frame


def main() -> None:
    """Decode what the order says."""
    av.logging.set_level(None)
    memory, pipe = int(sys.argv[1]), int(sys.argv[2])
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as told:  # unbuffered: the cells are not for it
        order = Order(**json.loads(told.readline()))
    outlet = Outlet(memory, pipe, order)
    threading.Thread(target=_listen, args=(outlet,), daemon=True).start()
    try:
        reason = decode(order, outlet)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if reason:
        outlet.say("failed", reason=reason)
    else:
        outlet.say("ended")


def _listen(outlet: Outlet) -> None:
    try:
        while content := os.read(sys.stdin.fileno(), 64):
            for cell in content:
                outlet.credit(cell)
    except Exception:  # noqa: BLE001 - whatever it is: without this thread the process gives nothing, and says nothing
        traceback.print_exc()
        os._exit(1)
    os._exit(0)  # nobody is left to decode for


if __name__ == "__main__":
    main()
