"""Events that a node reported, held against events that were there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rheostat.errors import DataError
from rheostat.share.events.model import f1_of

Interval = tuple[float, float]
"""First and last moment of an event, both included, in seconds of the stream."""


class Judged(NamedTuple):
    """How reported events compare with real ones.

    Attributes:
        events: That were there.
        detected: Of these, touched by a reported one.
        false: Reported ones that touch none.
    """

    events: int
    detected: int
    false: int

    @property
    def recall(self) -> float:
        """Share of the events that were detected, in [0, 1]; 1 if there were none."""
        return self.detected / self.events if self.events else 1.0

    @property
    def precision(self) -> float:
        """Share of real ones among detected and falsely reported events, in [0, 1]; 1 if there are neither."""
        told = self.detected + self.false
        return self.detected / told if told else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two, in [0, 1]; higher = better."""
        return float(f1_of(self.recall, self.precision))

    def __add__(self, other: object) -> Judged:
        """Counts of two streams together."""
        if not isinstance(other, Judged):
            return NotImplemented
        return Judged(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def judge_events(reported: Sequence[Interval], events: Sequence[Interval], *, slack: float = 0.0) -> Judged:
    """Count what was detected and what was not there.

    An event is detected if a reported one overlaps it, be it for a moment; one report may detect several events, and
    several reports of one event are neither better nor worse than one.

    Args:
        reported: By a detector, in any order.
        events: That were there, in any order.
        slack: Seconds by which labels may be off, at least 0: events are taken to be that much longer at both ends.

    Raises:
        DataError: An interval ends before it starts.
    """
    for name, intervals in (("reported", reported), ("events", events)):
        for start, end in intervals:
            if end < start:
                raise DataError(f"{name} has an interval from {start:g} to {end:g}: it must not end before it starts")
    longer = [(start - slack, end + slack) for start, end in events]
    detected = sum(any(_touch(event, told) for told in reported) for event in longer)
    false = sum(not any(_touch(event, told) for event in longer) for told in reported)
    return Judged(len(events), detected, false)


def _touch(one: Interval, other: Interval) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
