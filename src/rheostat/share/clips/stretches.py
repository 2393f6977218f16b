"""Stretches of frames, half open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Stretch(NamedTuple):
    """Frames `start` to `end` - 1, counted from 0."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many frames."""
        return self.end - self.start


def merged(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """The same frames in as few stretches as can be, in order of time: what overlaps or touches becomes one."""
    found: list[Stretch] = []
    for stretch in sorted(stretches):
        if found and stretch.start <= found[-1].end:
            found[-1] = Stretch(found[-1].start, max(found[-1].end, stretch.end))
        else:
            found.append(stretch)
    return tuple(found)


def numbers(stretches: Iterable[Stretch]) -> npt.NDArray[np.int64]:
    """Numbers of all frames in the stretches, one stretch after the other."""
    return np.concatenate([np.zeros(0, dtype=np.int64), *(np.arange(start, end) for start, end in stretches)])
