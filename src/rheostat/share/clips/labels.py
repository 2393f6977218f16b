"""What is in view in a video, and when: its labels file.

The file lies beside its video as NAME.labels.json::

    {"video": "gate.mp4", "fps": 12.5, "frames": 377, "labelled_range": [0, 377],
     "events": [{"label": "vehicle", "start_frame": 54, "end_frame": 108}]}

Frames count from 0 in order of presentation, ends are exclusive, `fps` may be a fraction ("179/6"). Without
`labelled_range` the whole video is labelled. Keys that are not named here are notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator
from pydantic import model_validator as checked

from rheostat.errors import DataError, unknown_name
from rheostat.records import write_json
from rheostat.share.checking import AboveZero, Count, CountAboveZero, Entry, Name, read_document, refuse
from rheostat.share.clips.stretches import Stretch, merged
from rheostat.share.clips.video import frames_in

SUFFIX = ".labels.json"


def _fraction(value: Any) -> Any:
    """A rate that is written as a fraction; anything else as it is, for the check that follows."""
    if not isinstance(value, str):
        return value
    try:
        return float(Fraction(value))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError('must be a number, or a fraction as in "179/6"') from None


class EventEntry(Entry):
    """An event of a labels file."""

    label: Name
    start_frame: Count
    end_frame: Count

    @checked(mode="after")
    def _agree(self) -> Self:
        if self.end_frame <= self.start_frame:
            refuse([f"end_frame is {self.end_frame}: must be above start_frame, which is {self.start_frame}"])
        return self


class LabelsDocument(Entry):
    """What a labels file says."""

    video: Name
    fps: Annotated[AboveZero, BeforeValidator(_fraction)]
    frames: CountAboveZero
    labelled_range: tuple[Count, Count] | None = None
    events: tuple[EventEntry, ...]

    @checked(mode="after")
    def _agree(self) -> Self:
        start, end = self.labelled_range or (0, self.frames)
        if not start < end <= self.frames:
            refuse([f"labelled_range is [{start}, {end}]: must be a part of [0, {self.frames}], the frames there are"])
        refuse(
            f"events: entry {number}: frames {event.start_frame} to {event.end_frame} must lie in [{start}, {end}], "
            "the labelled range"
            for number, event in enumerate(self.events, 1)
            if event.start_frame < start or event.end_frame > end
        )
        return self


class LabelledEvent(NamedTuple):
    """Something is in view from frame `start` to frame `end` - 1."""

    label: str
    start: int
    end: int


@dataclass(frozen=True)
class Labels:
    """What is in view in a video.

    Attributes:
        video: The file.
        fps: Frames per second, above 0.
        frames: How many the video has.
        labelled: The frames that were looked at; of the others nothing is known.
        events: As they stand in the file; those of one label may overlap.
    """

    video: Path
    fps: float
    frames: int
    labelled: Stretch
    events: tuple[LabelledEvent, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that has an event, each once, in alphabetical order."""
        return tuple(sorted({event.label for event in self.events}))

    def events_of(self, label: str) -> tuple[Stretch, ...]:
        """Events of a label in order of time; what overlaps or touches is one event. None if it is never in view."""
        return merged(Stretch(event.start, event.end) for event in self.events if event.label == label)

    def presence(self, label: str) -> npt.NDArray[np.bool_]:
        """Whether a label is in view, `[frames]`; nowhere if it has no event."""
        seen = np.zeros(self.frames, dtype=np.bool_)
        for start, end in self.events_of(label):
            seen[start:end] = True
        return seen


@dataclass(frozen=True)
class Occurrence:
    """How events occur.

    Attributes:
        seconds: Mean length of an event, above 0.
        frequency: Share of the labelled time that events fill, in (0, 1].
        count: Number of events.
    """

    seconds: float
    frequency: float
    count: int


def find_labels(video: Path | str) -> Path:
    """Path of the labels file of a video.

    Raises:
        DataError: There is none beside it, or no such video.
    """
    path = Path(video).with_suffix(SUFFIX)
    if not path.is_file():
        if not Path(video).is_file():
            raise DataError(f"video {video} does not exist: give one, with its labels beside it")
        raise DataError(
            f"video {video} has no labels: {path} does not exist; it holds video, fps, frames and events, a list of "
            "label, start_frame and end_frame"
        )
    return path


def read_labels(path: Path | str) -> Labels:
    """Read a labels file, and see that it fits its video, which lies beside it.

    Raises:
        SettingsError: The file is missing, or wrong; the message says where.
        DataError: The video is missing, cannot be read, or has another number of frames.
    """
    path = Path(path)
    document = read_document(LabelsDocument, path, "labels", versioned=False)
    video = path.parent / document.video
    if not video.is_file():
        raise DataError(f"labels file {path}: there is no video {video}: put the two beside each other")
    found = frames_in(video)
    if found != document.frames:
        raise DataError(
            f"labels file {path}: frames is {document.frames}, and {video.name} has {found}: these labels belong to "
            "another version of the video"
        )
    return Labels(
        video=video,
        fps=document.fps,
        frames=document.frames,
        labelled=Stretch(*(document.labelled_range or (0, document.frames))),
        events=tuple(LabelledEvent(e.label, e.start_frame, e.end_frame) for e in document.events),
    )


def write_labels(labels: Labels, notes: Mapping[str, Any] | None = None) -> Path:
    """Write labels beside their video.

    Args:
        labels: What to write.
        notes: Further keys of the file; `read_labels` leaves them out.

    Returns:
        Path of the labels file.
    """
    path = labels.video.with_suffix(SUFFIX)
    events = [{"label": label, "start_frame": start, "end_frame": end} for label, start, end in labels.events]
    told = {"video": labels.video.name, "fps": labels.fps, "frames": labels.frames, **(notes or {})}
    write_json(path, {**told, "labelled_range": list(labels.labelled), "events": events})
    return path


def statistics(clips: Labels | Iterable[Labels], label: str) -> Occurrence:
    """How the events of a label occur in the labelled time of one clip or several.

    Raises:
        SettingsError: No clip has an event of that label.
    """
    several: Sequence[Labels] = [clips] if isinstance(clips, Labels) else list(clips)
    lengths = [event.length / clip.fps for clip in several for event in clip.events_of(label)]
    if not lengths:
        raise unknown_name("label", label, {known for clip in several for known in clip.labels})
    seconds = sum(clip.labelled.length / clip.fps for clip in several)
    return Occurrence(sum(lengths) / len(lengths), sum(lengths) / seconds, len(lengths))
