"""From what an app says of single frames to events: when one starts, goes on and ends.

`step` is the rule. With `votes` = X an event starts once X samples in a row are hits, at the first of them; it goes on
with every further hit, and ends at the last one, as soon as a miss comes more than `min_gap_seconds` later. Samples
are the frames that the app looked at: a slot that it did not look at says nothing. Two hits with no miss between them
belong together however far they are apart (a slow app sees nothing closer), unless the source was interrupted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from rheostat.errors import SettingsError

TOLD_SECONDS = 1.0  # an event that goes on is told of that often; at once when its peak rises


@dataclass(frozen=True)
class EventRule:
    """What makes an event of one app.

    Attributes:
        threshold: Probability from which on a sample is a hit, in (0, 1].
        votes: Hits in a row that start an event, at least 1.
        min_gap_seconds: Hits of one event may be that far apart, at least 0.

    Raises:
        SettingsError: A value is outside of its range.
    """

    threshold: float = 0.5
    votes: int = 1
    min_gap_seconds: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise SettingsError(f"threshold is {self.threshold:g}: must be above 0 and at most 1")
        if self.votes < 1:
            raise SettingsError(f"votes is {self.votes}: must be at least 1, the hits in a row that start an event")
        if not self.min_gap_seconds >= 0:
            raise SettingsError(f"min_gap_seconds is {self.min_gap_seconds:g}: must be at least 0")


class Sample(NamedTuple):
    """A frame as an app sees it: time of the stream, slot, and probability in [0, 1] of what it looks for."""

    seconds: float
    slot: int
    score: float


@dataclass(frozen=True)
class Run:
    """Hits, so far: of an event, or in a row while there is none.

    Attributes:
        first, last: Times of the first and the last hit, in seconds of the stream.
        peak: The sample with the highest score, the first of equals.
        hits: How many there were.
    """

    first: float
    last: float
    peak: Sample
    hits: int


class EventState(NamedTuple):
    """What the rule remembers.

    Attributes:
        run: Hits of the open event, or of the row that may become one; None after a miss without an event.
        open: Whether there is an event.
        told: Time at which it was last told of.
    """

    run: Run | None = None
    open: bool = False
    told: float = 0.0


@dataclass(frozen=True)
class Started:
    """An event has started, `run.first` being its time, seen at sample `seen` seconds."""

    run: Run
    seen: float


@dataclass(frozen=True)
class Updated:
    """An event goes on; `risen` = with a new peak, the sample that was just fed."""

    run: Run
    risen: bool


@dataclass(frozen=True)
class Finished:
    """An event is over: from `run.first` to `run.last`."""

    run: Run


Record = Started | Updated | Finished


def step(
    rule: EventRule, state: EventState, sample: Sample, *, gap: bool = False
) -> tuple[EventState, tuple[Record, ...]]:
    """Take one sample in.

    Args:
        rule: What makes an event; it may be another one than before, the event goes on.
        state: What was remembered.
        sample: What the app says of one frame; later than all before.
        gap: Whether the source was interrupted since the last sample: what came before and after is not in a row.

    Returns:
        The state to remember, and what happened, in order.
    """
    ended: tuple[Record, ...] = ()
    late = state.run is not None and sample.seconds - state.run.last > rule.min_gap_seconds
    is_hit = sample.score >= rule.threshold
    if state.open and state.run is not None and late and (gap or not is_hit):
        ended = (Finished(state.run),)
        state = EventState()
    elif gap and not state.open:
        state = EventState()
    if not is_hit:
        return (state if state.open else EventState()), ended
    run = _with(state.run, sample)
    if not state.open:
        starts = run.hits >= rule.votes
        happened = (Started(run, sample.seconds),) if starts else ()
        return EventState(run, starts, sample.seconds), (*ended, *happened)
    risen = run.peak is sample
    if risen or sample.seconds - state.told >= TOLD_SECONDS:
        return EventState(run, open=True, told=sample.seconds), (Updated(run, risen),)
    return state._replace(run=run), ()


def _with(run: Run | None, sample: Sample) -> Run:
    if run is None:
        return Run(sample.seconds, sample.seconds, sample, 1)
    peak = sample if sample.score > run.peak.score else run.peak
    return replace(run, last=sample.seconds, peak=peak, hits=run.hits + 1)


@dataclass(frozen=True)
class Look:
    """One sample as it was judged, for people who want to know why an app fired or did not.

    Attributes:
        in_row: Hits in a row up to this one; 0 = a miss.
        votes, threshold: What was asked for.
        event: Whether there was an event after it.
    """

    seconds: float
    slot: int
    score: float
    in_row: int
    votes: int
    threshold: float
    event: bool


class EventTracker:
    """The events of one app, and its last samples.

    `rule` may be set between two samples, as a new plan does: an event goes on.

    Args:
        rule: What makes an event.
        history: Samples that are kept for people to look at.
    """

    def __init__(self, rule: EventRule, *, history: int = 120) -> None:
        self.rule = rule
        self.state = EventState()
        self._gap = False
        self._in_row = 0
        self._looks: deque[Look] = deque(maxlen=history)

    @property
    def looks(self) -> Sequence[Look]:
        """The last samples, oldest first."""
        return tuple(self._looks)

    def interrupted(self) -> None:
        """The source was interrupted: the next sample is not in a row with the last one."""
        self._gap = True

    def feed(self, seconds: float, slot: int, score: float | None) -> tuple[Record, ...]:
        """Take one slot in.

        Args:
            seconds: Its time in the stream, larger than before.
            slot: Its number.
            score: Probability in [0, 1]; None = the app did not look, which changes nothing.

        Returns:
            What happened, in order.
        """
        if score is None:
            return ()
        hit = score >= self.rule.threshold
        self._in_row = (0 if self._gap else self._in_row) + 1 if hit else 0
        self.state, happened = step(self.rule, self.state, Sample(seconds, slot, score), gap=self._gap)
        self._gap = False
        rule = self.rule
        self._looks.append(Look(seconds, slot, score, self._in_row, rule.votes, rule.threshold, self.state.open))
        return happened

    def finish(self) -> tuple[Record, ...]:
        """End an event that is open, because no sample will follow (the source is over, or the app removed)."""
        state, self.state, self._in_row = self.state, EventState(), 0
        return (Finished(state.run),) if state.open and state.run is not None else ()
