"""What a package is made from: labelled clips, or a folder of pictures, in one form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rheostat.errors import DataError, SettingsError, unknown_name
from rheostat.share.clips import (
    ImageFolder,
    Labels,
    Occurrence,
    Split,
    find_labels,
    pictures,
    read_folder,
    read_labels,
    split_by_order,
    split_by_time,
    statistics,
)
from rheostat.share.clips.labels import SUFFIX
from rheostat.share.frames import Picture
from rheostat.share.trainer.settings import PackageSettings

Ints = npt.NDArray[np.int64]
OTHER = "other"


@dataclass(frozen=True, eq=False)
class Source:
    """Numbered pictures of which the class is known.

    Attributes:
        name: For people.
        fps: Pictures per second; None = they have no order in time.
        label: `[N]`, index of the class of each picture.
        split: Which of them train, validate and judge.
        read: Numbers `[n]`, ascending -> their pictures, in that order.
    """

    name: str
    fps: float | None
    label: Ints
    split: Split
    read: Callable[[Ints], Iterator[Picture]]


@dataclass(frozen=True, eq=False)
class Material:
    """All that a package is made from.

    Attributes:
        sources: One per clip; a folder of pictures is one as well.
        classes: Names, in the order of the labels.
        positive: Index of the class that makes an event.
        occurrence: How events occur, as labelled or as given by hand (count 0).
    """

    sources: tuple[Source, ...]
    classes: tuple[str, ...]
    positive: int
    occurrence: Occurrence

    @property
    def stream_fps(self) -> float | None:
        """Frames per second of the fastest clip that shows an event; None = single pictures."""
        rates = [source.fps for source in self.sources if (source.label == self.positive).any()]
        return max((rate for rate in rates if rate is not None), default=None)


def find_material(data: Sequence[Path | str], positive: str, settings: PackageSettings) -> Material:
    """Read labels and divide what there is; no picture is decoded.

    Args:
        data: Videos whose labels lie beside them, or labels files; a clip without an event of `positive` shows what is
            none. Or one folder with a sub-folder of pictures per class.
        positive: The label, or the class, that makes an event.
        settings: Shares, and the occurrence of events where it is given by hand.

    Raises:
        DataError: Data is missing, cannot be read, or does not suffice to train and to judge.
        SettingsError: Nothing is called `positive`, or a folder's events are not described.
    """
    paths = [Path(path) for path in data]
    if len({path.resolve() for path in paths}) < len(paths) or not paths:
        raise DataError(f"data are {', '.join(map(str, paths)) or 'none'}: give each clip once, and at least one")
    if any(path.is_dir() for path in paths):
        if len(paths) > 1:
            raise DataError(f"data are {len(paths)} paths with a folder among them: give one folder, or clips alone")
        return _of_folder(read_folder(paths[0]), positive, settings)
    labelled = [read_labels(path if path.name.endswith(SUFFIX) else find_labels(path)) for path in paths]
    found = statistics(labelled, positive)
    occurrence = Occurrence(
        settings.event_seconds or found.seconds, settings.event_frequency or found.frequency, found.count
    )
    sources = tuple(_clip(labels, positive, settings) for labels in labelled)
    return Material(sources, (OTHER if positive != OTHER else f"not {OTHER}", positive), 1, occurrence)


def _clip(labels: Labels, positive: str, settings: PackageSettings) -> Source:
    split = split_by_time(labels, positive, shares=settings.shares)

    def read(numbers: Ints) -> Iterator[Picture]:
        if len(numbers):
            wanted = set(numbers.tolist())
            decoded = pictures(labels.video, start=int(numbers[0]), stop=int(numbers[-1]) + 1)
            yield from (picture for number, picture in decoded if number in wanted)

    return Source(labels.video.name, labels.fps, labels.presence(positive).astype(np.int64), split, read)


def _of_folder(folder: ImageFolder, positive: str, settings: PackageSettings) -> Material:
    if positive not in folder.classes:
        raise unknown_name("class", positive, folder.classes)
    if settings.event_seconds is None or settings.event_frequency is None:
        raise SettingsError(
            f"{folder.path} holds pictures, which do not say how long events are and how often they occur: give "
            "event_seconds and event_frequency"
        )

    def read(numbers: Ints) -> Iterator[Picture]:
        return (folder.picture(number) for number in numbers.tolist())

    split = split_by_order(folder, shares=settings.shares)
    source = Source(folder.path.name or str(folder.path), None, folder.labels, split, read)
    occurrence = Occurrence(settings.event_seconds, settings.event_frequency, 0)
    return Material((source,), folder.classes, folder.classes.index(positive), occurrence)
