"""Which frames of a stream are looked at, so that what a plan costs is what it was planned to cost.

A stem runs at the highest rate of its apps. That is enough only if every frame that a slower app looks at is one that
the faster ones look at too: the frames of the rates must be nested. Each rate here takes, of the frames that the next
higher rate looks at, those nearest to its own evenly spaced instants. Where one rate divides the other that is a plain
stride. No nested choice is perfectly even for all sets of rates (of 10, 9 and 5 fps in a stream of 10, the 9 leave out
a frame that the 5 may need), and this one does not drift: the k-th look stays near k / rate, so that the density is
right in the long run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import count, pairwise, tee

from rheostat.errors import SettingsError

FAR = 10_000  # frames: over a longer gap the pattern is not followed


class Sampling:
    """Tells for each frame of a stream which rates are due, in constant memory.

    Args:
        stream_fps: Frames per second of the stream, above 0.
        rates: Looks per second, above 0 and at most `stream_fps`; fractions are exact as written (0.1 is a tenth).
        start: The frame to begin with; all rates are due at it.

    Attributes:
        rates: The different rates, highest first.

    Raises:
        SettingsError: A rate is out of range.
    """

    def __init__(self, stream_fps: float, rates: Iterable[float], *, start: int = 0) -> None:
        self.rates = tuple(sorted(set(rates), reverse=True))
        for rate in self.rates:
            if not 0 < rate <= stream_fps:
                raise SettingsError(
                    f"a rate is {rate:g} fps: must be above 0 and at most {stream_fps:g}, the rate of the stream"
                )
        self._stream, self._exact = Fraction(str(stream_fps)), [Fraction(str(rate)) for rate in self.rates]
        self._begin(start)

    def due(self, slot: int) -> tuple[float, ...]:
        """The rates that look at frame `slot`, highest first: those that are, and none below one that is not.

        Frames may be left out, and their looks with them; they may not go back. After more than `FAR` that were left
        out, as by an outage, it begins anew: all rates are due, and nothing is counted off in between.

        Raises:
            SettingsError: `slot` is before one that was asked for.
        """
        if slot < self._asked:
            raise SettingsError(f"slot is {slot} after {self._asked}: frames must not go back")
        if slot - self._asked > FAR:
            self._begin(slot)
        self._asked = slot
        return tuple(rate for level, rate in enumerate(self.rates) if self._reach(level, slot - self._start))

    def _begin(self, start: int) -> None:
        self._start = self._asked = start
        self._picks = list(_chain(self._stream, self._exact))
        self._next = [next(picks) for picks in self._picks]

    def _reach(self, level: int, slot: int) -> bool:
        while self._next[level] < slot:
            self._next[level] = next(self._picks[level])
        return self._next[level] == slot


def _chain(stream: Fraction, rates: list[Fraction]) -> Iterator[Iterator[int]]:
    slots: Iterator[int] = count()
    for rate in rates:
        mine, slots = tee(_nearest(slots, stream / rate))
        yield mine


def _nearest(slots: Iterator[int], spacing: Fraction) -> Iterator[int]:
    """Of `slots`, those nearest to the instants 0, `spacing`, 2 `spacing`, ..., each taken once; the earlier of two."""
    number, ticks = spacing.numerator, spacing.denominator
    instant = 0  # in ticks of a slot
    for here, after in pairwise(slots):
        if 2 * instant <= (here + after) * ticks:
            yield here
            instant += number
