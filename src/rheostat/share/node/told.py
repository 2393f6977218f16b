"""What a node tells others of itself, as JSON-able values (see `rheostat.console.view`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rheostat.share.node.governor import Budget
from rheostat.share.node.sources import SourceCounts, SourceName, SourceState
from rheostat.share.node.store import Event


def source_told(
    name: SourceName, counts: SourceCounts, state: SourceState, *, fps: float, now: float
) -> dict[str, Any]:
    """How the source does; `fps` frames per second came in, and it is `now` by the wall clock."""
    return {
        "name": name.shown,
        "live": name.live,
        "state": state.phase.value,
        "since_s": round(max(0.0, now - state.since), 1),
        "reason": state.reason,
        "restarts": counts.restarts,
        "frames_in": counts.given,
        "frames_dropped": counts.dropped,
        "corrupt": counts.corrupt,
        "fps": fps,
    }


def budget_told(budget: Budget, *, used: float, cores: int) -> dict[str, Any]:
    """What may be spent, and what is."""
    told = {name: getattr(budget, name) for name in ("now", "ceiling", "floor", "state")}
    return told | {"used": used, "unit": "core-ms/s", "cores": cores}


def event_told(event: Event) -> dict[str, Any]:
    """An event, without what only the store has to know."""
    return {
        "id": event.id,
        "app": event.app,
        "state": event.state,
        "start": event.start,
        "end": None if event.state == "open" else event.end,
        "peak": event.peak,
        "peak_time": event.peak_seconds,
        "hits": event.hits,
        "wall": datetime.fromtimestamp(event.started_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "snapshot": event.snapshot is not None,
        "clip": event.clip is not None,
        "note": event.note,
    }
