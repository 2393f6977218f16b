"""Who passes when: endless streams of actors, each from a random generator of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from rheostat.share.camera.backdrop import TRACK
from rheostat.share.camera.brush import Colour
from rheostat.share.camera.things import KINDS, Look

LABELS = (
    "barrier down",
    "blue car",
    "bus",
    "cyclist",
    "dog",
    "freight train",
    "pedestrian",
    "red car",
    "taxi",
    "train",
    "truck",
    "umbrella",
)
"""What the camera can be asked for. A freight train is a train as well."""

CLOSES_BEFORE, OPENS_AFTER = 2.5, 0.8  # seconds between the barrier and the train that it waits for
TURN = 1.2  # seconds that its arms take
_SLOWEST = 34.0  # units per second

_RED, _BLUE, _YELLOW = (186, 30, 34), (38, 76, 168), (232, 190, 40)
_OTHER: tuple[Colour, ...] = (
    (222, 222, 224),
    (166, 170, 174),
    (58, 60, 64),
    (120, 122, 126),
    (48, 92, 66),
    (204, 104, 40),
    (132, 96, 70),
    (86, 142, 150),
)
_BUSES: tuple[Colour, ...] = ((214, 214, 206), (196, 60, 50), (60, 120, 84), (70, 104, 170), (226, 180, 70))
_CABS: tuple[Colour, ...] = ((184, 44, 40), (52, 84, 150), (216, 216, 214), (230, 170, 60))
_BOXES: tuple[Colour, ...] = ((214, 214, 208), (178, 186, 190), (96, 120, 150), (190, 150, 96), (168, 70, 60))
_COATS: tuple[Colour, ...] = (
    (60, 84, 130), (150, 52, 52), (84, 84, 88), (196, 176, 130), (66, 110, 86), (212, 212, 210), (110, 70, 110)
)  # fmt: skip
_UMBRELLAS: tuple[Colour, ...] = ((176, 40, 60), (40, 60, 120), (40, 40, 46), (224, 186, 60), (60, 128, 120))
_FURS: tuple[Colour, ...] = ((134, 92, 56), (62, 52, 46), (204, 184, 148), (96, 92, 90))
_LIVERIES: tuple[tuple[Colour, Colour], ...] = (
    ((206, 210, 212), (190, 44, 48)),
    ((56, 96, 148), (230, 214, 90)),
    ((176, 52, 48), (226, 222, 212)),
    ((84, 130, 100), (220, 220, 210)),
)


@dataclass(frozen=True)
class Actor:
    """A thing on its way from one side to the other.

    Attributes:
        labels: What of `LABELS` it shows.
        looks: Its poses, in turn.
        start: When its first end comes into the picture, in seconds.
        end: When its last has left.
        speed: In units per second, above 0; `looks` say in which direction.
        ground: Height at which it stands, in units from the top; who stands lower is nearer.
        strides: Poses per second.
        lit: Whether it has lamps at night.
    """

    labels: frozenset[str]
    looks: tuple[Look, ...]
    start: float
    end: float
    speed: float
    ground: float
    strides: float = 0.0
    lit: bool = False

    @property
    def length(self) -> float:
        """In units."""
        return KINDS[self.looks[0].kind].length * self.looks[0].size

    def left_at(self, seconds: float, span: float) -> float:
        """Its left end in a picture that is `span` units wide."""
        gone = self.speed * (seconds - self.start)
        return span - gone if self.looks[0].left else gone - self.length

    def look_at(self, seconds: float) -> Look:
        """Its pose."""
        return self.looks[math.floor((seconds - self.start) * self.strides) % len(self.looks)]


def streams(seed: int, span: float) -> list[Iterator[Actor]]:
    """All that ever passes, per stream in order of `start`; `span` is the width of the picture in units."""
    kinds: tuple[Callable[[np.random.Generator, float], Iterator[Actor]], ...] = (
        trains,
        lambda rng, span: vehicles(rng, span, ground=147, size=0.86, left=True, headway=3.2),
        lambda rng, span: vehicles(rng, span, ground=168, size=1.0, left=False, headway=4.2),
        cyclists,
        walkers,
    )
    return [stream(np.random.default_rng([seed, number]), span) for number, stream in enumerate(kinds)]


def longest_passage(span: float) -> float:
    """Seconds that no actor takes longer than, the barrier's opening after it included."""
    return (span + max(kind.length for kind in KINDS.values())) / _SLOWEST + OPENS_AFTER + TURN


def _passage(
    labels: set[str], look: Look, start: float, span: float, speed: float, ground: float, *, strides: float = 0.0
) -> Actor:
    kind = KINDS[look.kind]
    looks = tuple(
        Look(look.kind, look.paint, look.trim, look.left, look.size, pose, look.variety) for pose in range(kind.poses)
    )
    end = start + (span + kind.length * look.size) / speed
    return Actor(frozenset(labels), looks, start, end, speed, ground, strides, lit=kind.poses == 1)


def trains(rng: np.random.Generator, span: float) -> Iterator[Actor]:
    """Trains, one at a time; four in ten carry freight."""
    free = rng.uniform(6, 20)
    while True:
        left, variety = bool(rng.random() < 0.5), int(rng.integers(1000))
        if rng.random() < 0.4:
            look = Look("freight train", ((150, 60, 44), (60, 90, 130), (196, 150, 50))[variety % 3])
            labels, speed = {"train", "freight train"}, rng.uniform(88, 112)
        else:
            paint, trim = _LIVERIES[variety % len(_LIVERIES)]
            look, labels, speed = Look("train", paint, trim), {"train"}, rng.uniform(110, 165)
        look = Look(look.kind, look.paint, look.trim, left, 1.0, 0, variety)
        train = _passage(labels, look, free, span, speed, TRACK + 1)
        yield train
        free = train.end + 8 + rng.exponential(22)


def vehicles(
    rng: np.random.Generator, span: float, *, ground: float, size: float, left: bool, headway: float
) -> Iterator[Actor]:
    """Vehicles of one lane, none of which drives through the one before it; `headway` is mean seconds between two."""
    clear_in, clear_out = 0.0, 0.0  # when the one before has come in, and gone out, with a gap behind it
    wish = rng.exponential(headway)
    while True:
        labels, look, pace = _vehicle(rng)
        look = Look(look.kind, look.paint, look.trim, left, size, 0, int(rng.integers(1000)))
        speed = size * pace * rng.uniform(0.85, 1.2)
        actor = _passage(labels, look, max(wish, clear_in, clear_out - span / speed), span, speed, ground)
        yield actor
        gap = rng.uniform(10, 26) / speed
        clear_in, clear_out = actor.start + actor.length / speed + gap, actor.end + gap
        wish = actor.start + rng.exponential(headway)


def _vehicle(rng: np.random.Generator) -> tuple[set[str], Look, float]:
    """What it shows, how it looks, and its usual speed in units per second."""
    roll, choice = rng.random(), int(rng.integers(1000))
    if roll < 0.12:
        return {"red car"}, Look("car", _RED), 118
    if roll < 0.23:
        return {"blue car"}, Look("car", _BLUE), 118
    if roll < 0.31:
        return {"taxi"}, Look("taxi", _YELLOW), 118
    if roll < 0.38:
        return {"bus"}, Look("bus", _BUSES[choice % 5], ((220, 220, 214), (60, 60, 66))[choice % 2]), 92
    if roll < 0.46:
        return {"truck"}, Look("truck", _CABS[choice % 4], _BOXES[choice % 5]), 98
    if roll < 0.58:
        return set(), Look("van", (*_OTHER, _RED, _BLUE)[choice % 10]), 110
    return set(), Look("car", _OTHER[choice % 8]), 118


def cyclists(rng: np.random.Generator, span: float) -> Iterator[Actor]:
    """Cyclists at the near edge of the street."""
    free = rng.exponential(30)
    while True:
        choice = int(rng.integers(1000))
        look = Look("cyclist", _COATS[choice % 7], _UMBRELLAS[choice % 5], bool(rng.random() < 0.3), 0.95, 0, choice)
        actor = _passage({"cyclist"}, look, free, span, rng.uniform(52, 80), 177, strides=9)
        yield actor
        free = actor.start + 5 + rng.exponential(45)


def walkers(rng: np.random.Generator, span: float) -> Iterator[Actor]:
    """People on the near pavement, some with an umbrella, some with a dog that runs ahead."""
    free = rng.exponential(12)
    while True:
        left, choice = bool(rng.random() < 0.5), int(rng.integers(1000))
        coat, size = _COATS[choice % 7], rng.uniform(0.86, 0.98)
        with_umbrella, with_dog = rng.random() < 0.35, rng.random() < 0.45
        speed = rng.uniform(_SLOWEST, 52) if rng.random() < 0.8 else rng.uniform(70, 95)
        kind, labels = ("umbrella", {"pedestrian", "umbrella"}) if with_umbrella else ("person", {"pedestrian"})
        look = Look(kind, coat, _UMBRELLAS[choice % 5], left, size, 0, choice)
        ground = rng.uniform(207, 211)
        start = free + (26 / speed if with_dog else 0)
        if with_dog:
            dog = Look("dog", _FURS[choice % 4], left=left, variety=choice)
            yield _passage({"dog"}, dog, free, span, speed, ground + 2, strides=10)
        yield _passage(labels, look, start, span, speed, ground, strides=speed / 6)
        free = start + 6 + rng.exponential(24)


def barrier_at(trains: list[Actor], seconds: float) -> float:
    """How far the barrier is down, in [0, 1], from the trains about that time."""
    down = 0.0
    for train in trains:
        closing, opening = train.start - CLOSES_BEFORE, train.end + OPENS_AFTER
        down = max(down, min((seconds - closing) / TURN, 1 - (seconds - opening) / TURN, 1.0))
    return down
