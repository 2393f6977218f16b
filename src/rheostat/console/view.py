"""What the console needs of a node, and nothing else of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

Kind = Literal["snapshot", "clip"]


class LiveNode(Protocol):
    """A running node as the console sees it. Every method may be called from any thread, several at a time.

    Times named `start`, `end`, `since` and those of a timeline are seconds of the stream; `*_s` are durations in
    seconds. All numbers are finite; one that is not known yet is None.
    """

    def status(self) -> dict[str, Any]:
        """Tell how the node does, as a JSON object; cheap, it is called a few times per second for every page.

        The object::

        {"version": str, "uptime_s": float,
         "source": {"name": str, "state": "connecting|running|stalled|failed|ended", "reason": str,
                    "since_s": seconds in this state, "restarts": int, "live": bool, "frames_in": int,
                    "frames_dropped": int, "corrupt": int, "fps": frames per second that came in},
         "stream_fps": float,
         "budget": {"now": what the plan was made for, "ceiling": what the operator allows (`set_budget`),
                    "floor": cost of the cheapest plan, "used": as measured, "unit": str, "cores": int,
                    "state": "steady|behind|probing"},
         "latency_ms": {"p50": float, "p95": float, "p99": float},
         "frames": {"analysed": int, "skipped": int},
         "plan": the plan as `rheostat.share.plan.as_json` gives it, or None, "plan_number": +1 with every plan,
         "apps": [{"name": str, "state": "event|candidate|quiet|waiting", "since": when this state began,
                   "score": newest, in [0, 1], "threshold": a score from here on is a hit, "votes": hits in a row
                   that make an event, "streak": hits in a row until now, "frozen": int, "planned_fps": float,
                   "achieved_fps": float, "f1": predicted, "events": number so far,
                   "timeline": [[time, score, streak with this sample], ...], oldest first, at most some 120}],
         "sinks": [{"sink": name, "waiting": messages that it was not told yet, "refused": by it for good,
                    "lost": too old to be kept}], also of runs before,
         "problems": [{"wall": time of day in seconds, "said": str}], oldest first, at most some 50}
        """
        ...

    def picture(self) -> bytes | None:
        """Give the newest frame as JPEG, None before the first."""
        ...

    def events(self, *, app: str | None = None, before: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """List events of all apps or of one, newest first, at most `limit`; with `before`, those earlier than that id.

        An event::

        {"id": str, "app": str, "start": float, "end": float or None, "peak": highest score, "peak_time": float,
         "hits": int, "state": "open|closed|interrupted", "wall": when it began, as ISO 8601 in UTC,
         "snapshot": whether there is one, "clip": whether there is one, "note": str}
        """
        ...

    def evidence(self, event: str, kind: Kind) -> Path | None:
        """Name the file of an event's snapshot (JPEG) or clip (MP4); None if there is none, or no such event."""
        ...

    def tree_svg(self) -> str:
        """Draw the plan that runs, as `rheostat.share.picture.draw_svg` does."""
        ...

    def metrics(self) -> bytes:
        """Give all metrics in Prometheus' text format."""
        ...

    def package_folders(self) -> Sequence[Path]:
        """Name the folders in which packages may lie that a request asks to be added."""
        ...

    def add_app(self, folder: Path) -> str:
        """Add the app of a package's folder, and return its name.

        Raises:
            RheostatError: One line that says why not.
        """
        ...

    def remove_app(self, name: str) -> None:
        """Remove an app; its events stay.

        Raises:
            RheostatError: One line that says why not.
        """
        ...

    def set_budget(self, budget: float) -> None:
        """Set what the node may spend at most, from the next plan on.

        Raises:
            RheostatError: One line that says why not, e.g. that no plan fits it.
        """
        ...
