"""A plan whose networks are open: who is due at a frame, and what they say of a picture."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rheostat.errors import DataError
from rheostat.share.base import Base
from rheostat.share.frames import Picture, prepared
from rheostat.share.package.document import Package
from rheostat.share.runner.program import Head, Program, Stretch
from rheostat.share.runner.sampling import Sampling
from rheostat.share.runner.sessions import Floats, Sessions, run

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True)
class Look:
    """What the apps that were due say of a picture (see `engine.Result`)."""

    scores: Mapping[str, float]
    core_ms: float
    prepare_ms: float
    error: DataError | None


@dataclass(frozen=True)
class Spent:
    """How often a part of a plan was run, and the processor time of that, in milliseconds of one core."""

    part: Stretch | Head
    runs: int
    core_ms: float


@dataclass(frozen=True)
class Usage:
    """What a plan has cost so far.

    Attributes:
        frames: That were prepared, for whatever apps.
        prepare_ms: Processor time of resizing and normalising, in milliseconds of one core.
        parts: The stem from the input inwards, then the heads.
    """

    frames: int
    prepare_ms: float
    parts: tuple[Spent, ...]

    @property
    def core_ms(self) -> float:
        """Processor time of all networks, in milliseconds of one core."""
        return sum(part.core_ms for part in self.parts)


class Loaded:
    """The networks of a program, and how much each was used. Several threads may look at once.

    Args:
        program: What to run.
        order: Names of the apps as the plan has them.
        stream_fps: Slots per second.
        base: That the program is for.
        packages: By the name of the app.
        sessions: Where the networks are opened.

    Raises:
        SettingsError, StateError, DataError: See `Runner.load`.
    """

    def __init__(
        self,
        program: Program,
        order: Sequence[str],
        stream_fps: float,
        base: Base,
        packages: Mapping[str, Package],
        sessions: Sessions,
    ) -> None:
        self.program = program
        self._base, self._packages = base, packages
        self._fps = {head.app: head.fps for head in sorted(program.heads, key=lambda head: order.index(head.app))}
        self._stream_fps = stream_fps
        self._sampling: Sampling | None = None
        Sampling(stream_fps, program.rates)  # refuses rates above that of the stream now, and not at the first frame
        self._networks: dict[Stretch | Head, InferenceSession] = {}
        for stretch in program.stem:
            self._networks[stretch] = sessions.stretch(stretch.start, stretch.end)
        for head in program.heads:
            self._networks[head] = sessions.head(packages[head.app], head.frozen)
        self._counting = threading.Lock()
        self._start_counting()

    def due(self, slot: int) -> tuple[str, ...]:
        """The apps that look at a frame; one thread at a time may ask."""
        if self._sampling is None:
            self._sampling = Sampling(self._stream_fps, self.program.rates, start=slot)
        rates = self._sampling.due(slot)
        return tuple(app for app, fps in self._fps.items() if fps in rates)

    def look(self, picture: Picture, due: Sequence[str]) -> Look:
        """Run what the apps `due` need, on the thread that asks.

        Raises:
            DataError: It is no picture (see `frames.resized`).
        """
        if not due:
            return Look({}, 0.0, 0.0, None)
        began = time.thread_time()
        pixels = prepared(picture, self._base.document.preprocessing)
        prepare_ms = (time.thread_time() - began) * 1000
        spent, logits = self._pass(pixels, due)
        with self._counting:
            self._frames += 1
            self._prepare_ms += prepare_ms
            for part, core_ms in spent.items():
                self._runs[part] += 1
                self._core_ms[part] += core_ms
        scores = {app: probability(logits[app], self._packages[app].positive) for app in due}
        told = {app: score for app, score in scores.items() if np.isfinite(score)}
        return Look(told, sum(spent.values()), prepare_ms, _silence([app for app in due if app not in told]))

    def try_out(self) -> None:
        """Run everything once, uncounted: what does not fit together is found now, and the first frame is not slow."""
        wanted = self._base.document.preprocessing
        nothing = np.zeros((wanted.height, wanted.width, 3), np.uint8)
        self.look(nothing, tuple(self._fps))
        self._start_counting()

    def usage(self) -> Usage:
        """What was run so far."""
        with self._counting:
            parts = tuple(Spent(part, self._runs[part], self._core_ms[part]) for part in self._networks)
            return Usage(self._frames, self._prepare_ms, parts)

    def _pass(self, pixels: Floats, due: Sequence[str]) -> tuple[dict[Stretch | Head, float], dict[str, Floats]]:
        """Processor time of every part that the apps need, and the logits of each app."""
        heads = [head for head in self.program.heads if head.app in due]
        deepest = max(head.frozen for head in heads)
        spent: dict[Stretch | Head, float] = {}
        logits: dict[str, Floats] = {}

        def through(part: Stretch | Head, value: Floats) -> Floats:
            began = time.thread_time()
            given = run(self._networks[part], value)
            spent[part] = (time.thread_time() - began) * 1000
            return given

        value = pixels
        for stretch in (None, *self.program.stem):
            if stretch is not None:
                if stretch.end > deepest:
                    break
                value = through(stretch, value)
            joint = 0 if stretch is None else stretch.end
            for head in heads:
                if head.frozen == joint:
                    logits[head.app] = through(head, value)[0]
        return spent, logits

    def _start_counting(self) -> None:
        with self._counting:
            self._frames, self._prepare_ms = 0, 0.0
            self._runs = dict.fromkeys(self._networks, 0)
            self._core_ms = dict.fromkeys(self._networks, 0.0)


def probability(logits: Floats, positive: int) -> float:
    """Softmax in [0, 1] of entry `positive` of logits [classes]; NaN if a logit is not finite."""
    if not np.isfinite(logits).all():
        return float("nan")
    shifted = np.exp(logits.astype(np.float64) - logits.max())
    return float(shifted[positive] / shifted.sum())


def _silence(apps: Sequence[str]) -> DataError | None:
    return DataError(f"no score from {', '.join(apps)}: the head gives NaN; make the package anew") if apps else None
