"""Which pictures belong to the snapshot and the clip of which event: what is remembered, and nothing of files.

Memory is bounded: of the stream the last `pre_seconds` and `NOTICE_SECONDS` are kept, of an open event at most
`longest_seconds` with both ends, and events share the bytes of the pictures that they have in common.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from rheostat.errors import SettingsError

NOTICE_SECONDS = 10.0  # an event is noticed that long after its first hit, at most: its votes take time


@dataclass(frozen=True)
class EvidenceRule:
    """What is kept of an event.

    Attributes:
        pre_seconds, post_seconds: Of the stream before its start and after its end, at least 0.
        longest_seconds: Of an event that lasts longer the clip has only that much, above 0.
        fps: Pictures per second of the clip, at most; above 0.
        width: Of the clip in pixels, at most; at least 2.
        quality: Of the JPEGs, 1 to 95.

    Raises:
        SettingsError: A value is outside of its range.
    """

    pre_seconds: float = 5.0
    post_seconds: float = 5.0
    longest_seconds: float = 60.0
    fps: float = 5.0
    width: int = 640
    quality: int = 80

    def __post_init__(self) -> None:
        for name in ("pre_seconds", "post_seconds"):
            if not getattr(self, name) >= 0:
                raise SettingsError(f"{name} is {getattr(self, name):g}: must be at least 0")
        for name in ("longest_seconds", "fps"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} is {getattr(self, name):g}: must be above 0")
        if self.width < 2 or not 1 <= self.quality <= 95:
            raise SettingsError(f"width is {self.width} and quality {self.quality}: at least 2, and 1 to 95")


@dataclass(frozen=True)
class Clip:
    """The pictures of a finished clip: time in the stream, and JPEG."""

    event: str
    pictures: tuple[tuple[float, bytes], ...]


@dataclass
class _Taking:
    """A clip that still grows; `end` is None while the event is open."""

    start: float
    end: float | None = None
    pictures: list[tuple[float, bytes]] = field(default_factory=list)


class Recorder:
    """Gathers the pictures of clips.

    Args:
        rule: What is kept.
    """

    def __init__(self, rule: EvidenceRule) -> None:
        self._rule = rule
        self._recent: deque[tuple[float, bytes]] = deque()
        self._taking: dict[str, _Taking] = {}

    @property
    def memory(self) -> int:
        """Bytes of the pictures that are held, each counted once."""
        held = {id(jpeg): len(jpeg) for taking in self._taking.values() for _, jpeg in taking.pictures}
        return sum((held | {id(jpeg): len(jpeg) for _, jpeg in self._recent}).values())

    def see(self, seconds: float, jpeg: bytes) -> list[Clip]:
        """Take in a picture of the stream, later than all before; gives the clips that are complete by now."""
        done = [event for event, taking in self._taking.items() if seconds > self._until(taking)]
        clips = [self._given(event) for event in done]
        for taking in self._taking.values():
            taking.pictures.append((seconds, jpeg))
        self._recent.append((seconds, jpeg))
        while self._recent[0][0] < seconds - self._rule.pre_seconds - NOTICE_SECONDS:
            self._recent.popleft()
        return clips

    def begin(self, event: str, start: float) -> None:
        """An event has started at that time of the stream."""
        early = start - self._rule.pre_seconds
        self._taking[event] = _Taking(start, pictures=[(at, jpeg) for at, jpeg in self._recent if at >= early])

    def end(self, event: str, end: float) -> None:
        """An event is over; nothing happens if its clip has been given already, because it was as long as it may be."""
        if event in self._taking:
            self._taking[event].end = end

    def finish(self) -> list[Clip]:
        """Give all clips as they are, because no picture will follow."""
        return [self._given(event) for event in list(self._taking)]

    def _until(self, taking: _Taking) -> float:
        """Time of the last picture that a clip takes."""
        longest = taking.start + self._rule.longest_seconds
        return longest if taking.end is None else min(taking.end, longest) + self._rule.post_seconds

    def _given(self, event: str) -> Clip:
        taking = self._taking.pop(event)
        until = self._until(taking)
        return Clip(event, tuple((at, jpeg) for at, jpeg in taking.pictures if at <= until))
