"""The film of the third chapter: what the camera sees, the time that is learnt from, and the time that judges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rheostat.demo.scale import ShareScale
from rheostat.share.camera import write_clip
from rheostat.share.clips import (
    LabelledEvent,
    Labels,
    Stretch,
    find_labels,
    pictures,
    read_labels,
    split_by_time,
    write_labels,
    write_video,
)
from rheostat.share.clips.labels import SUFFIX

CAMERA, HELD_OUT = "camera.mp4", "held-out.mp4"


def camera(folder: Path, scale: ShareScale) -> Labels:
    """Render what the camera sees, and say what is in view."""
    if not (folder / CAMERA).with_suffix(SUFFIX).exists():
        name = Path(CAMERA).stem
        write_clip(folder, name=name, seconds=scale.seconds, fps=scale.fps, seed=scale.seed, labels=scale.apps)
    return read_labels(find_labels(folder / CAMERA))


def bound(labels: Labels, apps: Sequence[str]) -> int:
    """The first frame after which no head of any app has learnt."""
    return max(split_by_time(labels, app).held_out[0].start for app in apps)


def held_out(folder: Path, labels: Labels, first: int) -> Labels:
    """What comes from frame `first` on, as a video of its own."""
    video = folder / HELD_OUT
    if not video.with_suffix(SUFFIX).exists():
        write_video(video, (shown for _, shown in pictures(labels.video, start=first)), labels.fps, crf=10)
        events = [
            LabelledEvent(event.label, max(event.start, first) - first, event.end - first)
            for event in labels.events
            if event.end > first
        ]
        frames = labels.frames - first
        write_labels(Labels(video, labels.fps, frames, Stretch(0, frames), tuple(events)))
    return read_labels(find_labels(video))


def before(folder: Path, labels: Labels, first: int) -> Path:
    """A labels file of the same video that knows the frames before `first` only."""
    path = folder / f"before{SUFFIX}"
    events = tuple(event._replace(end=min(event.end, first)) for event in labels.events if event.start < first)
    early = Labels(path.with_name("before.mp4"), labels.fps, labels.frames, Stretch(0, first), events)
    return write_labels(early, {"video": labels.video.name})
