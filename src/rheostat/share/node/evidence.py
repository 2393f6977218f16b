"""A snapshot and a clip of every event, written beside the node's work: nothing here stops it."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av.error

from rheostat.records import write_bytes
from rheostat.share.frames import Picture
from rheostat.share.node.clip import as_jpeg, as_mp4
from rheostat.share.node.recorder import Clip, EvidenceRule, Recorder

log = logging.getLogger("rheostat.node")

_SNAPSHOT_QUALITY = 90
_WAITING_PICTURES = 2  # that are still to be compressed
_WAITING_FILES = 32  # that are still to be written
_NICE = 10
_UNFIT = (OSError, ValueError, MemoryError)  # what a picture of a size that JPEG does not know leads to, and no memory


@dataclass(frozen=True)
class Written:
    """What became of one file.

    Attributes:
        event: Identifier of the event.
        kind: `snapshot` or `clip`; the clip comes last, but for what `last` says.
        name: Of the file in the folder, or None if there is none.
        reason: Why there is none.
    """

    event: str
    kind: Literal["snapshot", "clip"]
    name: str | None
    reason: str = ""

    @property
    def last(self) -> bool:
        """Whether its clip is done.

        Of an event longer than `longest_seconds` a snapshot of a later peak may follow, under the same name.
        """
        return self.kind == "clip"

    @property
    def note(self) -> str:
        """What to say of a file that is missing; empty if it is there."""
        return "" if self.name is not None else f"no {self.kind}: {self.reason}"


@dataclass(frozen=True)
class _Snapshot:
    event: str
    jpeg: bytes


class Evidence:
    """Compresses pictures in one thread and writes files in another; its methods return at once.

    Args:
        folder: Where the files go, `EVENT.jpg` and `EVENT.mp4`.
        done: Told of every file, in the order of writing, from threads of this object; it must not raise.
        rule: What is kept.
        live: Whether pictures are left out while the compressing is behind; else `see` waits.
        write: Writes a file whole or not at all.

    Attributes:
        left_out: Pictures that were left out of clips.
    """

    def __init__(
        self,
        folder: Path,
        done: Callable[[Written], None],
        *,
        rule: EvidenceRule | None = None,
        live: bool = True,
        write: Callable[[Path, bytes], None] = write_bytes,
    ) -> None:
        self._folder, self._done, self._write, self._live = folder, done, write, live
        self._rule = rule or EvidenceRule()
        self._recorder = Recorder(self._rule)
        self.left_out = 0
        self._next_seconds = float("-inf")
        self._changed = threading.Condition()
        self._tasks: deque[Callable[[], None]] = deque()
        self._pictures = 0
        self._peaks: dict[str, Picture] = {}  # still to be compressed: of each event only the last
        self._snapshots: dict[str, bytes] = {}  # of open events, not written yet
        self._files: queue.Queue[Clip | _Snapshot | None] = queue.Queue(_WAITING_FILES)
        self._closed = self._late = False
        self._threads = [
            threading.Thread(target=run, name=f"evidence {name}", daemon=True)
            for name, run in (("pictures", self._compress), ("files", self._write_all))
        ]
        for thread in self._threads:
            thread.start()

    def see(self, seconds: float, picture: Picture) -> None:
        """Take in a picture of the stream; later than all before, and not changed afterwards."""
        if seconds < self._next_seconds - 1e-6:
            return
        interval = 1 / self._rule.fps
        self._next_seconds = interval + (self._next_seconds if seconds - self._next_seconds < interval else seconds)
        with self._changed:
            if not self._live:
                self._changed.wait_for(lambda: self._pictures < _WAITING_PICTURES)
            if self._pictures >= _WAITING_PICTURES:
                self.left_out += 1
                return
            self._pictures += 1
            self._put(lambda: self._compress_one(seconds, picture))

    def begin(self, event: str, start: float, picture: Picture) -> None:
        """An event has started at that time of the stream; the picture shows its peak so far."""
        with self._changed:
            self._peaks[event] = picture
            self._put(lambda: self._recorder.begin(event, start))
            self._put(lambda: self._snap(event))

    def peak(self, event: str, picture: Picture) -> None:
        """An open event has a new peak."""
        with self._changed:
            self._peaks[event] = picture
            self._put(lambda: self._compress_peak(event))

    def end(self, event: str, end: float) -> None:
        """An event is over; its clip is written once the pictures after it are there."""
        with self._changed:
            self._put(lambda: self._recorder.end(event, end))
            self._put(lambda: self._snap(event))

    def close(self, timeout: float = 30.0) -> None:
        """Write what is there, clips of open events included, and end the threads.

        Args:
            timeout: Seconds that it may take, about; for what waits then there are no files.
        """
        with self._changed:
            if self._closed:
                return
            self._put(self._finish)
            self._closed = True
        for thread in self._threads:
            thread.join(timeout / len(self._threads))
        self._late = True  # what still waits is told of and not written: who closes the store comes next
        for thread in self._threads:
            thread.join()

    def _put(self, task: Callable[[], None]) -> None:
        if not self._closed:
            self._tasks.append(task)
            self._changed.notify_all()

    def _compress(self) -> None:
        _yield_to_the_node()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._tasks)
                task = self._tasks.popleft()
            try:
                task()
            except _UNFIT as error:
                log.warning("a picture could not be compressed: %s", _said(error))
            if task == self._finish:
                self._files.put(None)
                return

    def _compress_one(self, seconds: float, picture: Picture) -> None:
        try:
            jpeg = as_jpeg(picture, quality=self._rule.quality, width=self._rule.width)
            for clip in self._recorder.see(seconds, jpeg):
                self._ask(clip)
        finally:
            with self._changed:
                self._pictures -= 1
                self._changed.notify_all()

    def _compress_peak(self, event: str) -> None:
        with self._changed:
            picture = self._peaks.pop(event, None)
        if picture is not None:
            self._snapshots[event] = as_jpeg(picture, quality=_SNAPSHOT_QUALITY)

    def _snap(self, event: str) -> None:
        """Have the picture of the peak written, if there is a new one."""
        try:
            self._compress_peak(event)
        except _UNFIT as error:
            self._done(Written(event, "snapshot", None, _said(error)))
        if event in self._snapshots:
            self._ask(_Snapshot(event, self._snapshots.pop(event)))

    def _finish(self) -> None:
        for event in [*self._peaks, *self._snapshots]:
            self._snap(event)
        for clip in self._recorder.finish():
            self._ask(clip)

    def _ask(self, file: Clip | _Snapshot) -> None:
        try:
            self._files.put_nowait(file)
        except queue.Full:
            kind = "clip" if isinstance(file, Clip) else "snapshot"
            self._done(Written(file.event, kind, None, "too many files were waiting to be written"))

    def _write_all(self) -> None:
        _yield_to_the_node()
        while (file := self._files.get()) is not None:
            self._done(self._written(file))

    def _written(self, file: Clip | _Snapshot) -> Written:
        kind, suffix = ("clip", "mp4") if isinstance(file, Clip) else ("snapshot", "jpg")
        if self._late:
            return Written(file.event, kind, None, "the node ended before it could be written")
        if isinstance(file, Clip) and not file.pictures:
            return Written(file.event, kind, None, "no picture was there in time")
        name = f"{file.event}.{suffix}"
        try:
            content = file.jpeg if isinstance(file, _Snapshot) else as_mp4(file.pictures, fps=self._rule.fps)
            self._write(self._folder / name, content)
        except (*_UNFIT, av.error.FFmpegError) as error:
            return Written(file.event, kind, None, _said(error))
        return Written(file.event, kind, name)


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _yield_to_the_node() -> None:
    """Let the threads of the apps go first; on Linux each thread has a priority of its own."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
