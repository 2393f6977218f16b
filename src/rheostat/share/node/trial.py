"""Carry a plan out on a labelled video, and hold what was reported against the labels."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rheostat.share.clips import Labels, pictures, write_video
from rheostat.share.events import Interval, Judged, judge_events
from rheostat.share.node.fleet import Fleet
from rheostat.share.node.live import Node
from rheostat.share.node.settings import NodeSettings
from rheostat.share.plan import Plan
from rheostat.share.tree import total_cost

_MOST_EVENTS = 100_000


@dataclass(frozen=True)
class AppTrial:
    """What became of one app.

    Attributes:
        judged: Its events beside those that were labelled.
        reported: First and last moment of each event that it reported, in seconds of the video.
        fps: Frames that it looked at per second of video.
    """

    judged: Judged
    reported: tuple[Interval, ...]
    fps: float


@dataclass(frozen=True)
class Trial:
    """What became of a plan.

    Attributes:
        apps: By name, in the order of the plan.
        cost: As measured, in core-milliseconds per second of video.
    """

    apps: Mapping[str, AppTrial]
    cost: float


def try_plan(fleet: Fleet, plan: Plan, stream: Labels, *, start: int = 0) -> Trial:
    """Run a plan on a video from end to end, every frame of it, as a node does.

    An event is detected if a reported one touches it; labels may be off by a frame.

    Args:
        fleet: The apps, and what they cost here.
        plan: What is run; also where it costs more than its budget, which a baseline's greedy rule allows.
        stream: The video and what is in view in it, under the names of the apps.
        start: The frame that is the first one shown. Few events and one phase of sampling say little: run several.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source = stream.video
        if start:
            source = folder / "stream.mp4"
            write_video(source, (shown for _, shown in pictures(stream.video, start=start)), stream.fps, crf=10)
        settings = NodeSettings.checked(
            {"source": str(source), "out": folder / "out", "cores": 1, "clips": False, "window_seconds": 1e9}
        )
        budget = max(plan.budget, fleet.least(), total_cost(fleet.workload, plan.apps))  # else it would be planned anew
        with Node(fleet, plan.model_copy(update={"budget": budget}), settings) as node:
            node.run()
            status = node.status()
            events = node.store.events(limit=_MOST_EVENTS)
    rates = {app["name"]: app["achieved_fps"] or 0.0 for app in status["apps"]}
    reported: dict[str, list[Interval]] = {app.name: [] for app in plan.apps}
    for event in reversed(events):  # the store gives the newest first
        reported[event.app].append((event.start, event.end))
    apps = {}
    for name, told in reported.items():
        there = labelled_from(stream, name, start)
        apps[name] = AppTrial(judge_events(told, there, slack=1 / stream.fps), tuple(told), rates[name])
    return Trial(apps, status["budget"]["used"])


def labelled_from(stream: Labels, label: str, start: int = 0) -> list[Interval]:
    """Events of a label in seconds after frame `start`: of each the first and the last frame that shows it."""
    return [
        (max(0, event.start - start) / stream.fps, (event.end - 1 - start) / stream.fps)
        for event in stream.events_of(label)
        if event.end > start
    ]
