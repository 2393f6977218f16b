"""What a node did since it was last judged, in seconds of the stream."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rheostat.share.node.governor import Window


@dataclass
class Load:
    """Counts of one stretch of time.

    Attributes:
        start, now: Time of the stream, in seconds, at its first frame and at its latest; None before there is one.
        frames: That came in.
        due, done: Looks that the plan asked for, and that were taken, over all apps.
        spent: Processor time of the plan's networks, and of preparing their pictures, before it began, in
            core-milliseconds.
        used, fps: Core-milliseconds, and frames, per second in the stretch before.
    """

    start: float | None = None
    now: float | None = None
    frames: int = 0
    due: int = 0
    done: int = 0
    spent: float = 0.0
    used: float = 0.0
    fps: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return 0.0 if self.start is None or self.now is None else self.now - self.start

    def saw(self, seconds: float) -> None:
        """A frame came in."""
        self.start = seconds if self.start is None else self.start
        self.now = seconds
        self.frames += 1

    def window(self, cost: float) -> Window:
        """The same for the governor, with the predicted cost of the plan that ran."""
        return Window(self.due, self.done, cost)

    def next(self, spent: float) -> Load:
        """The stretch that follows; networks and preparing have taken `spent` core-milliseconds until now."""
        seconds = self.seconds
        used, fps = (
            (max(0.0, spent - self.spent) / seconds, self.frames / seconds) if seconds else (self.used, self.fps)
        )
        return Load(start=self.now, now=self.now, spent=spent, used=used, fps=fps)

    def anew(self) -> Load:
        """The stretch that follows under a new plan, on which no time was spent yet."""
        return replace(self, start=self.now, frames=0, due=0, done=0, spent=0.0)
