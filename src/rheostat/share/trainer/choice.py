"""Which pictures are trained on, and which judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rheostat.errors import DataError
from rheostat.share.clips import Stretch, numbers
from rheostat.share.trainer.material import Ints, Material, Source
from rheostat.share.trainer.settings import PackageSettings


@dataclass(frozen=True, eq=False)
class Chosen:
    """Pictures to train on, or to validate by, source after source, in order of time.

    Attributes:
        numbers: Per source, the numbers of its pictures, ascending.
        label: `[N]`, over all sources.
    """

    numbers: tuple[Ints, ...]
    label: Ints


class Run(NamedTuple):
    """Held-out time of one source, as it is judged.

    Attributes:
        source: Its number.
        numbers: Its pictures, each once, ascending.
        frames: `[T]`, positions in `numbers`, one per frame of the stream: a clip of a lower rate than the stream shows
            each picture several times, one of a higher rate leaves some out.
    """

    source: int
    numbers: Ints
    frames: Ints


def to_learn(material: Material, settings: PackageSettings) -> tuple[Chosen, Chosen]:
    """Choose what to train on and what to validate by.

    Of a clip, frames at most `train_fps` apart. Classes are balanced by leaving out: of each, at most `per_class`
    (half as many to validate) and at most `balance` times as many as of the rarest. What is kept of a class is spread
    as evenly over the sources as these allow, and evenly over each one's time; so the negatives of the clip that shows
    the events are not drowned by those of other clips.

    Raises:
        DataError: There is no picture of some class to train on, or none to validate by.
    """
    train = _balanced(material, [s.split.train for s in material.sources], settings, settings.per_class)
    validation = _balanced(material, [s.split.validation for s in material.sources], settings, settings.per_class // 2)
    for label, name in enumerate(material.classes):
        if not (train.label == label).any():
            raise DataError(f"there is no picture of {name!r} to train on: give longer clips, or other shares")
    if not len(validation.label):
        raise DataError("there is no picture to validate by: give longer clips, a higher train_fps, or other shares")
    return train, validation


def to_judge(material: Material) -> list[Run]:
    """Lay out all held-out frames, at the rate of the stream."""
    stream = material.stream_fps
    runs = []
    for at, source in enumerate(material.sources):
        held_out = numbers(source.split.held_out)
        frames = np.arange(len(held_out))
        if source.fps is not None and stream is not None and source.fps != stream:
            seconds = len(held_out) / source.fps
            shown = np.floor(np.arange(int(seconds * stream)) / stream * source.fps + 1e-9).astype(np.int64)
            kept, frames = np.unique(shown, return_inverse=True)
            held_out = held_out[kept]
        runs.append(Run(at, held_out, frames))
    return [run for run in runs if len(run.frames)]


def spread(available: Sequence[int], most: int) -> list[int]:
    """How many to take of each, so that they sum to `most` (or to all there is) and are as even as can be."""
    taken = [0] * len(available)
    left = min(most, sum(available))
    while left:
        open_ = [at for at, number in enumerate(available) if taken[at] < number]
        each = max(left // len(open_), 1)
        for at in open_:
            share = min(each, available[at] - taken[at], left)
            taken[at] += share
            left -= share
    return taken


def _balanced(material: Material, parts: Sequence[Sequence[Stretch]], settings: PackageSettings, most: int) -> Chosen:
    offered = [
        _thinned(source, numbers(part), settings.train_fps)
        for source, part in zip(material.sources, parts, strict=True)
    ]
    labels = [source.label[found] for source, found in zip(material.sources, offered, strict=True)]
    classes = range(len(material.classes))
    there = [sum(int((label == one).sum()) for label in labels) for one in classes]
    rarest = min((number for number in there if number), default=0)
    limit = min(most, int(settings.balance * rarest))
    kept = [np.zeros(len(found), dtype=np.bool_) for found in offered]
    for one in classes:
        places = [np.flatnonzero(label == one) for label in labels]
        for at, number in enumerate(spread([len(place) for place in places], limit)):
            kept[at][places[at][_evenly(len(places[at]), number)]] = True
    chosen = tuple(found[keep] for found, keep in zip(offered, kept, strict=True))
    return Chosen(chosen, np.concatenate([label[keep] for label, keep in zip(labels, kept, strict=True)]))


def _thinned(source: Source, found: Ints, fps: float) -> Ints:
    """Of consecutive frames every n-th, counted from the beginning of the clip."""
    step = 1 if source.fps is None else max(1, round(source.fps / fps))
    return found[found % step == 0]


def _evenly(there: int, wanted: int) -> Ints:
    """`wanted` of the positions 0 .. `there` - 1, evenly spaced."""
    return ((np.arange(wanted) + 0.5) * there / max(wanted, 1)).astype(np.int64)
