"""Divide the time of a clip into what is trained on, what ends the training, and what judges it.

Held-out time follows the others; validation lies between where it has events of its own (see `Split.apart`). Bounds
are moved into the nearest gap between two events, so the frames of one event, which are nearly alike, never lie on both
sides of the bound before the held-out time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from rheostat.errors import DataError, SettingsError
from rheostat.share.clips.labels import Labels
from rheostat.share.clips.stretches import Stretch

_MARGIN_SECONDS = 0.5  # between a bound and the events beside it, where the gap is long enough
_EVENTS_TO_SPARE = 4  # from here on one of them can be had for validation alone


class Shares(NamedTuple):
    """Shares of the time, which sum to 1."""

    train: float
    validation: float
    held_out: float


SHARES = Shares(0.5, 0.15, 0.35)


@dataclass(frozen=True)
class Split:
    """Frames for three uses, or pictures of a folder, by number; no number is in two of them.

    Attributes:
        train: What the weights are fitted to.
        validation: What says when to stop; may be empty.
        held_out: What every published figure is measured on: later than the others, with events of its own.
        apart: Whether validation has events of its own. If not, it is the end of every event and of every gap of the
            time for training: good enough to stop by, and nothing to publish.
    """

    train: tuple[Stretch, ...]
    validation: tuple[Stretch, ...]
    held_out: tuple[Stretch, ...]
    apart: bool


def split_by_time(labels: Labels, label: str, *, shares: Sequence[float] = SHARES) -> Split:
    """Divide the labelled time of a clip for a detector of `label`.

    With four events or more each part has at least one. With two or three, validation has none of its own (see
    `Split.apart`): an event is worth more for training and for judging. A clip without any is cut where `shares` say.

    Args:
        labels: Of the clip.
        label: What is to be detected.
        shares: Of the time for training, validation (0 = none) and judging; see `Shares`.

    Raises:
        SettingsError: The shares are no such shares.
        DataError: There is one event only, or a part without an event or without a gap.
    """
    wanted = checked_shares(shares)
    start, end = labels.labelled
    events = labels.events_of(label)
    if not events:
        first, second = (start + round(share * (end - start)) for share in _bounds(wanted))
        return _three(start, first, second, end)
    if len(events) == 1:
        raise DataError(
            f"{labels.video} has 1 event of {label!r}: it takes at least 2, one to train on and one to judge by: "
            "label a longer clip"
        )
    margin = round(_MARGIN_SECONDS * labels.fps)
    places = [_place(Stretch(one.end, other.start), margin) for one, other in pairwise(events)]
    ends = sorted({start, end, *(frame for event in events for frame in event)})
    split = divided(Stretch(start, end), places, [Stretch(*pair) for pair in pairwise(ends)], wanted)
    _must_show_both(labels, label, events, split)
    return split


def checked_shares(shares: Sequence[float]) -> Shares:
    """The shares, if they are such.

    Raises:
        SettingsError: They do not sum to 1, or leave nothing to train on or to judge by.
    """
    wanted = Shares(*shares) if len(shares) == len(Shares._fields) else Shares(0, 0, 0)
    if min(wanted.train, wanted.held_out) <= 0 or wanted.validation < 0 or not abs(sum(wanted) - 1) < 1e-6:
        told = ", ".join(f"{share:g}" for share in shares)
        raise SettingsError(
            f"shares are {told}: must be three that sum to 1, for training (above 0), validation (0 = none) and "
            "held-out time (above 0)"
        )
    return wanted


def divided(whole: Stretch, places: Sequence[Stretch], runs: Sequence[Stretch], shares: Shares) -> Split:
    """Divide a stretch whose bounds may lie in certain places only.

    Args:
        whole: What to divide.
        places: Where a bound may lie, both ends included, in order; at least one.
        runs: What `whole` consists of, in order: where validation has no events of its own, it gets the end of each.
        shares: Of the parts.
    """
    first, second = (whole.start + share * whole.length for share in _bounds(shares))
    if len(places) + 1 < _EVENTS_TO_SPARE or shares.validation == 0:
        bound = _nearest(places, second)[1]
        kept = shares.train / (shares.train + shares.validation)
        inside = [Stretch(run.start, min(run.end, bound)) for run in runs if run.start < bound]
        cuts = [run.start + round(kept * run.length) for run in inside]
        return Split(
            train=tuple(Stretch(run.start, cut) for run, cut in zip(inside, cuts, strict=True) if cut > run.start),
            validation=tuple(Stretch(cut, run.end) for run, cut in zip(inside, cuts, strict=True) if cut < run.end),
            held_out=(Stretch(bound, whole.end),),
            apart=False,
        )
    at, bound = _nearest(places[:-1], first)
    return _three(whole.start, bound, _nearest(places[at + 1 :], second)[1], whole.end)


def _bounds(shares: Shares) -> tuple[float, float]:
    return shares.train, shares.train + shares.validation


def _three(start: int, first: int, second: int, end: int) -> Split:
    validation = (Stretch(first, second),) if first < second else ()
    return Split((Stretch(start, first),), validation, (Stretch(second, end),), apart=True)


def _place(gap: Stretch, margin: int) -> Stretch:
    """Where in a gap a bound may lie."""
    margin = min(margin, gap.length // 2)
    return Stretch(gap.start + margin, gap.end - margin)


def _nearest(places: Sequence[Stretch], wanted: float) -> tuple[int, int]:
    """Number of the place that comes nearest to `wanted`, and the bound in it."""
    bounds = [min(max(round(wanted), place.start), place.end) for place in places]
    at = min(range(len(bounds)), key=lambda number: abs(bounds[number] - wanted))
    return at, bounds[at]


def _must_show_both(labels: Labels, label: str, events: Sequence[Stretch], split: Split) -> None:
    seen = labels.presence(label)
    for name, part in (("training", split.train), ("validation", split.validation), ("held-out", split.held_out)):
        frames = sum(stretch.length for stretch in part)
        shown = sum(int(seen[start:end].sum()) for start, end in part)
        if frames and shown in (0, frames):
            lack = "no frame of an event" if not shown else "no frame without one"
            raise DataError(
                f"{labels.video}: of {len(events)} events of {label!r}, the {name} time {list(map(tuple, part))} has "
                f"{lack}: give other shares, or label a longer clip"
            )
