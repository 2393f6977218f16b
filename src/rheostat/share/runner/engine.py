"""Run a plan: pictures in, each app's score out, in the order of the pictures.

::

    submit ─► a frame, with the plan of that moment ─► one of the cores ─► get, in order
                                                        prepared
                                                        stretch ─► heads that leave here
                                                        stretch ─► heads that leave here ...

A frame runs wholly on one core, and several frames at once on several cores. Of a plan only that is run which an app
needs that is due at the frame. A new plan is built beside the old one, and holds from the next frame on.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

from rheostat.errors import SettingsError, StateError
from rheostat.share.base import Base
from rheostat.share.frames import Picture
from rheostat.share.package.document import Package
from rheostat.share.plan import Plan
from rheostat.share.runner.loaded import Loaded, Look, Usage
from rheostat.share.runner.program import Program, program
from rheostat.share.runner.sessions import PROVIDERS, Sessions


@dataclass(frozen=True)
class Result:
    """What the apps say of one frame.

    Attributes:
        slot: Number of the frame in the stream.
        scores: Probability in [0, 1] that an app's event shows, for each app that was due and could tell.
        core_ms: Processor time of the networks, in milliseconds of one core.
        prepare_ms: Processor time of resizing and normalising.
        latency_s: From `submit` to the last score, in seconds.
        context: As it was given.
        error: What went wrong; scores of apps that it does not concern are there all the same.
    """

    slot: int
    scores: Mapping[str, float]
    core_ms: float
    prepare_ms: float
    latency_s: float
    context: Any = None
    error: BaseException | None = None


@dataclass(frozen=True)
class _Job:
    slot: int
    context: Any
    began: float
    done: Future[tuple[Look, float]]

    def result(self) -> Result:
        """What came of it, once it is done."""
        if (error := self.done.exception()) is not None:
            return Result(self.slot, {}, 0.0, 0.0, time.perf_counter() - self.began, self.context, error)
        look, ended = self.done.result()
        latency = ended - self.began
        return Result(self.slot, look.scores, look.core_ms, look.prepare_ms, latency, self.context, look.error)


class Runner:
    """Runs the plan of the moment on a stream of pictures.

    One thread may submit, one may collect and others may load plans, all at once; `run` does the first two in one
    thread. At most `cores` + 1 frames are in flight, those with a result that nobody has collected included.

    Args:
        base: The base that the apps share.
        packages: By the name of the app.
        cores: Frames that are looked at at once, each on a thread of its own; at least 1.
        providers: Names of onnxruntime's execution providers, in order of preference.

    Raises:
        SettingsError: `cores` is below 1, or a provider is not in this onnxruntime (with the first plan).
    """

    def __init__(
        self, base: Base, packages: Mapping[str, Package], *, cores: int = 1, providers: Sequence[str] = PROVIDERS
    ) -> None:
        if cores < 1:
            raise SettingsError(f"cores is {cores}: must be at least 1")
        self._base, self._packages = base, MappingProxyType(dict(packages))
        self._sessions = Sessions(base, providers=providers)
        self._workers = ThreadPoolExecutor(cores, "rheostat-core")
        self._most = cores + 1
        self._loading = threading.Lock()
        self._changed = threading.Condition()  # guards all that follows
        self._loaded: Loaded | None = None
        self._jobs: deque[_Job] = deque()
        self._last: int | None = None
        self._closed = False

    def load(self, plan: Plan, stream_fps: float, *, packages: Mapping[str, Package] | None = None) -> Program:
        """Build what a plan needs while the old one runs on, and hold to it from the next frame submitted.

        Args:
            plan: For this base and for apps that have a package.
            stream_fps: Slots per second; no rate of the plan may be above.
            packages: By the name of the app, from now on; None = as before.

        Raises:
            SettingsError: An app of the plan has no package, or the plan does not fit the base or the stream.
            StateError: A package is for another base, lacks the branch point or a file, or the runner is closed.
            DataError: A network cannot be run.
        """
        with self._loading:
            packages = self._packages if packages is None else MappingProxyType(dict(packages))
            for app in plan.apps:
                if app.name not in packages:
                    known = ", ".join(sorted(packages)) or "none"
                    raise SettingsError(f"app {app.name!r} of the plan has no package: known are {known}")
                packages[app.name].must_fit(self._base)
            with self._changed:
                self._must_be_open()
            laid_out = program(plan, len(self._base.layers))
            order = [app.name for app in plan.apps]
            loaded = Loaded(laid_out, order, stream_fps, self._base, packages, self._sessions)
            loaded.try_out()
            with self._changed:
                self._must_be_open()
                self._loaded, self._packages = loaded, packages
        return laid_out

    @property
    def program(self) -> Program | None:
        """What runs; None before the first plan."""
        loaded = self._loaded
        return loaded and loaded.program

    @property
    def packages(self) -> Mapping[str, Package]:
        """By the name of the app; a plan need not use all."""
        return self._packages

    def due(self, slot: int) -> tuple[str, ...]:
        """The apps that look at frame `slot`, in the order of the plan; none before the first plan.

        A frame that no app looks at need not be submitted. The frames of a plan count from the first one that is asked
        for or submitted, at which all its apps are due.

        Raises:
            SettingsError: `slot` is before one that was asked for since the plan was loaded.
        """
        with self._changed:
            return () if self._loaded is None else self._loaded.due(slot)

    def submit(self, slot: int, picture: Picture, context: Any = None, *, wait: bool = False) -> bool:
        """Have a picture looked at by the apps that are due.

        Args:
            slot: Number of the frame in the stream, above that of the last one.
            picture: `[H, W, 3]` uint8; it must not be changed any more.
            context: Comes back with the result.
            wait: Wait for a place where there is none (files: no frame is lost); someone else must collect the results.

        Returns:
            Whether it was taken. Not, if all places are taken: leave the frame out (live), or collect a result first.

        Raises:
            SettingsError: `slot` is not above the last one.
            StateError: No plan is loaded, or the runner is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not wait or len(self._jobs) < self._most)
            self._must_be_open()
            if self._loaded is None:
                raise StateError("there is no plan: load one first")
            if self._last is not None and slot <= self._last:
                raise SettingsError(f"slot is {slot} after {self._last}: must be above it")
            if len(self._jobs) >= self._most:
                return False
            due = self._loaded.due(slot)
            began = time.perf_counter()
            done = self._workers.submit(_look, self._loaded, due, picture)
            self._jobs.append(_Job(slot, context, began, done))
            self._last = slot
            self._changed.notify_all()
        return True

    def get(self, timeout: float | None = None) -> Result | None:
        """The result of the next frame in order, waited for.

        Args:
            timeout: In seconds; None = until there is one.

        Returns:
            The result; None if there is none in that time, or the runner is closed and all results are collected.
        """
        until = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed, timeout)
            if not self._jobs:
                return None
            job = self._jobs[0]
        try:
            job.done.exception(None if until is None else max(until - time.monotonic(), 0.0))
        except TimeoutError:
            return None
        with self._changed:
            self._jobs.popleft()
            self._changed.notify_all()
        return job.result()

    def results(self) -> Iterator[Result]:
        """All results in order, waited for, until the runner is closed."""
        while (result := self.get()) is not None:
            yield result

    def run(self, frames: Iterable[tuple[int, Picture]]) -> Iterator[Result]:
        """Look at all frames of a file that an app is due at, with all cores, and give the results in order.

        Args:
            frames: Number and picture, in order.
        """
        for slot, picture in frames:
            while self.due(slot) and not self.submit(slot, picture):
                yield from filter(None, [self.get()])
        while self._jobs:
            yield from filter(None, [self.get()])

    def usage(self) -> Usage | None:
        """What was run since the plan was loaded, and what it cost; None before the first plan."""
        loaded = self._loaded
        return loaded and loaded.usage()

    def close(self) -> None:
        """Take no more frames, finish those in flight, and end the threads. Their results can still be collected."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._workers.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _must_be_open(self) -> None:
        if self._closed:
            raise StateError("the runner is closed: make another")


def _look(loaded: Loaded, due: Sequence[str], picture: Picture) -> tuple[Look, float]:
    """What the apps say, and when they had said it."""
    return loaded.look(picture, due), time.perf_counter()
