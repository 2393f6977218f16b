"""The scene: what the camera sees at any frame, and what of it is in view."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

import numpy as np

from rheostat.errors import SettingsError
from rheostat.share.camera.light import light_at
from rheostat.share.camera.stage import Stage
from rheostat.share.camera.traffic import CLOSES_BEFORE, Actor, barrier_at, longest_passage, streams
from rheostat.share.frames import Picture

VISIBLE = 0.0004
"""Share of the picture's pixels that a thing must show to be in view: 33 pixels of 384 x 216."""

_SMALLEST = 64  # pixels along a side; below, a dog has none left


class Scene:
    """A level crossing and a street, seen from a fixed camera; see `LABELS` for what passes.

    A label is in view where one thing that has it shows at least `VISIBLE` of the picture's pixels: what hides behind
    the wall, a mast or another thing does not count, nor does a shadow. "barrier down" is in view while an arm is at
    its lowest and shows that much.

    A frame depends on nothing but the arguments and its number, whatever was asked for before.

    Args:
        seed: Of the place and of everything that happens, at least 0.
        width: Of a picture, in pixels, at least 64.
        height: Likewise.
        fps: Frames per second, above 0; the same seed shows the same events at every rate.

    Raises:
        SettingsError: An argument is outside its range.
    """

    def __init__(self, seed: int = 0, *, width: int = 384, height: int = 216, fps: float = 10.0) -> None:
        if seed < 0 or min(width, height) < _SMALLEST or not 0 < fps < np.inf:
            raise SettingsError(
                f"seed {seed}, width {width}, height {height}, fps {fps:g}: must be seed >= 0, width and height >= "
                f"{_SMALLEST} pixels, and fps > 0"
            )
        self.width, self.height, self.fps = width, height, fps
        self._stage = Stage(width, height, seed)
        self._phases = np.random.default_rng([seed, 1001]).random(4)
        self._longest = longest_passage(self._stage.span)
        self._upcoming = streams(seed, self._stage.span)
        self._known: list[list[Actor]] = [[next(stream)] for stream in self._upcoming]

    def picture(self, number: int) -> tuple[Picture, frozenset[str]]:
        """Frame `number`, counted from 0: `[height, width, 3]` uint8, and the labels in view."""
        seconds = number / self.fps
        trains, *others = self._about(seconds)
        actors = [actor for stream in (trains, *others) for actor in stream if actor.start <= seconds < actor.end]
        down = barrier_at(trains, seconds)
        shot = self._stage.shot(actors, down, light_at(seconds, self._phases), seconds, number)
        seen = {
            label
            for actor, share in zip(actors, shot.shares, strict=True)
            if share >= VISIBLE
            for label in actor.labels
        }
        if down == 1 and shot.barrier >= VISIBLE:
            seen.add("barrier down")
        return shot.picture, frozenset(seen)

    def frames(self, count: int, *, start: int = 0) -> Iterator[tuple[Picture, frozenset[str]]]:
        """Frames `start` to `start + count - 1` in turn; see `picture`."""
        return (self.picture(number) for number in range(start, start + count))

    def _about(self, seconds: float) -> Iterator[list[Actor]]:
        """Actors of each stream that may be in view, or move the barrier, about that time."""
        earliest, latest = seconds - self._longest, seconds + CLOSES_BEFORE
        for known, stream in zip(self._known, self._upcoming, strict=True):
            while known[-1].start <= latest:
                known.append(next(stream))
            yield known[bisect_left(known, earliest, key=_start) : bisect_right(known, latest, key=_start)]


def _start(actor: Actor) -> float:
    return actor.start
