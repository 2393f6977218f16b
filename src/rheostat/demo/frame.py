"""One frame of the camera, with what is in view and what was seen of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rheostat.share.clips import Labels, pictures
from rheostat.share.node.clip import as_jpeg


def frame_of(stream: Labels, reported: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Any]:
    """Choose the frame where most apps are right about something in view, fewest are wrong, and as a data URI tell it.

    Args:
        stream: The video that was looked at.
        reported: First and last moment of each reported event in seconds, by app.
    """
    seconds = np.arange(stream.frames) / stream.fps
    seen = np.array([_within(seconds, events) for events in reported.values()])
    there = np.array([stream.presence(app) for app in reported])
    right = (seen & there).sum(axis=0)
    wrong = (seen & ~there).sum(axis=0)
    best = int(np.argmax(right - 0.5 * wrong - 0.25 * (there & ~seen).sum(axis=0)))
    ((_, picture),) = pictures(stream.video, start=best, stop=best + 1)
    image = base64.b64encode(as_jpeg(picture, quality=88)).decode()
    return {
        "seconds": float(seconds[best]),
        "image": f"data:image/jpeg;base64,{image}",
        "there": [app for app, row in zip(reported, there, strict=True) if row[best]],
        "seen": [app for app, row in zip(reported, seen, strict=True) if row[best]],
    }


def _within(seconds: np.ndarray, events: Sequence[Sequence[float]]) -> np.ndarray:
    found = np.zeros(len(seconds), bool)
    for start, end in events:
        found |= (seconds >= start) & (seconds <= end)
    return found
