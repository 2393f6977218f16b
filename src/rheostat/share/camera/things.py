"""What passes by, drawn from the side and looking to the right. Lengths in units: a picture is 216 of them high."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rheostat.share.camera.brush import Brush, Colour, Sprite, shaded

GLASS, DARK, TYRE, RIM, SKIN = (120, 150, 172), (44, 46, 52), (26, 26, 28), (150, 152, 156), (214, 170, 140)
HEADLIGHT, TAILLIGHT = (250, 240, 200), (190, 30, 30)


@dataclass(frozen=True)
class Look:
    """What a thing looks like.

    Attributes:
        kind: A key of `KINDS`.
        paint: Of its body.
        trim: Of its second part: coat or umbrella, freight, stripe.
        left: Whether it looks to the left.
        size: Compared with the same thing on the near lane.
        pose: Which of the kind's pictures, for what moves its legs.
        variety: Chooses among small differences.
    """

    kind: str
    paint: Colour
    trim: Colour = (90, 90, 96)
    left: bool = False
    size: float = 1.0
    pose: int = 0
    variety: int = 0


class Kind(NamedTuple):
    """Length and height in units, how many poses, and how it is drawn."""

    length: float
    height: float
    poses: int
    draw: Callable[[Brush, Look], None]


def _wheels(brush: Brush, y: float, radius: float, *places: float) -> None:
    for x in places:
        brush.disc(x, y - radius, radius, TYRE)
        brush.disc(x, y - radius, radius * 0.5, RIM)


def _car(brush: Brush, look: Look) -> None:
    paint, low = look.paint, shaded(look.paint, 0.72)
    hatch = look.variety % 2
    back = 6 if hatch else 9
    brush.shape([(back, 8.5), (back + 5, 1.5), (28, 1.5), (36, 8.5)], shaded(paint, 0.92))
    brush.shape([(back + 2, 8), (back + 6, 2.8), (19, 2.8), (19, 8)], GLASS)
    brush.shape([(20.5, 8), (20.5, 2.8), (27.4, 2.8), (33, 8)], shaded(GLASS, 1.15))
    brush.box(1, 8, 45, 15.5, paint, radius=2.6)
    brush.box(2, 12.5, 44, 15.5, low, radius=1)
    brush.line([(2.5, 9), (43, 9)], 0.5, shaded(paint, 1.3))
    brush.line([(19.8, 9), (19.8, 14)], 0.4, low)
    brush.box(42.5, 9.5, 45, 11.5, HEADLIGHT)
    brush.box(1, 9.5, 2.5, 11.5, TAILLIGHT)
    _wheels(brush, 18, 3.9, 10, 36)


def _taxi(brush: Brush, look: Look) -> None:
    _car(brush, look)
    brush.box(17, 0, 24, 1.8, (245, 245, 235))
    for x in range(4, 42, 4):
        brush.box(x, 10.5, x + 2, 11.8, DARK)


def _van(brush: Brush, look: Look) -> None:
    paint = look.paint
    brush.shape([(1, 2), (3, 0.5), (44, 0.5), (52, 10), (57, 13), (57, 22), (1, 22)], paint)
    brush.shape([(43, 3), (50, 10.5), (38, 10.5), (38, 3)], GLASS)
    brush.box(1, 17, 57, 22, shaded(paint, 0.75), radius=1)
    brush.line([(36, 2), (36, 20)], 0.5, shaded(paint, 0.7))
    brush.line([(16, 2), (16, 20)], 0.4, shaded(paint, 0.8))
    brush.box(55, 13.5, 57.2, 16, HEADLIGHT)
    brush.box(1, 12, 2.4, 16, TAILLIGHT)
    _wheels(brush, 25, 4.2, 12, 46)


def _bus(brush: Brush, look: Look) -> None:
    paint = look.paint
    brush.box(0, 0, 112, 36, paint, radius=3)
    brush.box(0, 24, 112, 36, shaded(paint, 0.8), radius=2)
    brush.box(0, 25, 112, 27.5, look.trim)
    for x in range(4, 92, 13):
        brush.box(x, 6, x + 11, 19, GLASS, radius=1)
    for x in (30, 82):
        brush.box(x, 6, x + 9, 33, shaded(GLASS, 0.8), radius=1)
        brush.line([(x + 4.5, 6), (x + 4.5, 33)], 0.5, DARK)
    brush.box(99, 5, 112, 22, shaded(GLASS, 1.1), radius=1.5)
    brush.box(92, 1.5, 110, 4.5, (36, 32, 24))
    brush.box(96, 2.2, 106, 3.8, (240, 170, 40))
    brush.box(110, 28, 112, 31, HEADLIGHT)
    brush.box(0, 22, 1.4, 30, TAILLIGHT)
    _wheels(brush, 40, 4.8, 21, 88)


def _truck(brush: Brush, look: Look) -> None:
    brush.box(0, 0, 72, 32, look.trim, radius=1)
    brush.box(0, 0, 72, 2, shaded(look.trim, 1.15))
    for x in range(9, 72, 9):
        brush.line([(x, 1), (x, 32)], 0.5, shaded(look.trim, 0.86))
    brush.box(0, 32, 94, 35, DARK)
    brush.shape([(74, 6), (88, 6), (95, 19), (96, 34), (74, 34)], look.paint)
    brush.shape([(80, 9), (87, 9), (92, 19), (80, 19)], GLASS)
    brush.box(74, 28, 96, 34, shaded(look.paint, 0.7))
    brush.box(94, 27, 96.4, 30, HEADLIGHT)
    _wheels(brush, 40, 4.8, 12, 24, 85)


def _train(brush: Brush, look: Look) -> None:
    for number in range(3):
        left, last = number * 96.0, number == 2
        right = left + 94
        nose: list[tuple[float, float]] = [(right, 3), (right, 32)]
        if last:
            nose = [(right - 12, 3), (right - 4, 12), (right + 1, 24), (right, 32)]
        tail: list[tuple[float, float]] = [(left, 32), (left, 3)]
        if number == 0:
            tail = [(left + 1, 32), (left, 24), (left + 5, 12), (left + 13, 3)]
        brush.shape([*tail, *nose], look.paint)
        brush.box(left + 2, 24, right - 2, 27.5, look.trim)
        brush.box(left + 3, 9, right - (16 if last else 3), 18, (46, 58, 70), radius=1)
        for x in (24.0, 64.0):
            brush.box(left + x, 8, left + x + 8, 30, shaded(look.trim, 0.9), radius=1)
            brush.box(left + x + 1.5, 10, left + x + 6.5, 18, (60, 74, 88))
        for x in (12.0, 20.0, 74.0, 82.0):
            brush.disc(left + x, 33.5, 2.8, (40, 38, 38))
        brush.box(left + 30, 0.5, right - 30, 3, (120, 122, 126))
        if not last:
            brush.box(right, 8, right + 2, 31, (34, 34, 36))
    brush.shape([(274, 9), (279, 9), (286, 18), (274, 18)], (40, 52, 64))
    brush.disc(285, 26, 1.4, HEADLIGHT)


def _freight(brush: Brush, look: Look) -> None:
    chance = np.random.default_rng(look.variety)
    for number in range(6):
        left = number * 66.0
        load = (148, 84, 52), (70, 98, 84), (124, 124, 120), (60, 84, 120), (150, 128, 70)
        colour = load[int(chance.integers(len(load)))]
        brush.box(left + 2, 26, left + 63, 29, DARK)
        match int(chance.integers(3)):
            case 0:
                brush.box(left + 4, 5, left + 61, 27, colour)
                for x in range(8, 61, 6):
                    brush.line([(left + x, 6), (left + x, 26)], 0.8, shaded(colour, 0.8))
            case 1:
                brush.box(left + 4, 8, left + 61, 26, colour, radius=8)
                brush.box(left + 28, 5, left + 36, 9, shaded(colour, 0.8))
                brush.line([(left + 10, 13), (left + 55, 13)], 0.8, shaded(colour, 1.3))
            case _:
                brush.shape([(left + 3, 12), (left + 62, 12), (left + 58, 27), (left + 7, 27)], colour)
                brush.shape([(left + 8, 12), (left + 22, 7), (left + 44, 8), (left + 58, 12)], (58, 54, 50))
        for x in (10.0, 18.0, 47.0, 55.0):
            brush.disc(left + x, 32.2, 3, (40, 36, 34))
        brush.box(left + 63, 27, left + 68, 28.5, DARK)
    left = 396.0
    brush.box(left + 2, 27, left + 82, 31, DARK)
    brush.shape(
        [(left + x, y) for x, y in ((2, 28), (2, 8), (50, 8), (50, 3), (70, 3), (74, 12), (84, 14), (84, 28))],
        look.paint,
    )
    brush.box(left + 54, 6, left + 68, 13, GLASS)
    brush.box(left + 2, 20, left + 84, 23, (230, 220, 190))
    for x in (12.0, 20.0, 28.0, 56.0, 64.0, 72.0):
        brush.disc(left + x, 32.2, 3, (36, 34, 34))
    brush.disc(left + 82.5, 17, 1.5, HEADLIGHT)


def _person(brush: Brush, look: Look) -> None:
    _body(brush, look, 10)


def _with_umbrella(brush: Brush, look: Look) -> None:
    _body(brush, look, 13)
    brush.line([(17, 24), (14.5, 6)], 0.7, DARK)
    brush.shape(
        [(2, 11), (4, 6), (8.5, 2.6), (14, 1.4), (19.5, 2.6), (24, 6), (26, 11), (20, 9.4), (14, 10.4), (8, 9.4)],
        look.trim,
    )
    brush.shape([(10, 2.2), (14, 1.4), (14, 10.4), (8, 9.4)], shaded(look.trim, 0.8))


def _body(brush: Brush, look: Look, x: float) -> None:
    swing = np.sin(2 * np.pi * look.pose / 6) * 4.2
    trousers = ((52, 56, 74), (70, 62, 52), (38, 38, 42))[look.variety % 3]
    for sign, tone in ((-1, 0.75), (1, 1.0)):
        knee = x + sign * swing * 0.45
        brush.line([(x, 26), (knee + 0.6, 32), (x + sign * swing, 38.5)], 2.6, shaded(trousers, tone))
        brush.box(x + sign * swing - 1.2, 37.6, x + sign * swing + 2.2, 39.6, DARK)
    brush.line([(x, 15), (x - swing * 0.7, 21), (x - swing * 0.7 + 1.2, 26)], 2, shaded(look.paint, 0.7))
    brush.box(x - 3.4, 12.5, x + 3.4, 28, look.paint, radius=2.6)
    brush.line([(x, 15), (x + swing * 0.7, 21), (x + swing * 0.7 + 1.2, 25.5)], 2, shaded(look.paint, 0.86))
    brush.disc(x + 0.4, 9, 3, SKIN)
    brush.disc(x - 0.4, 8, 3, ((60, 42, 30), (32, 28, 28), (150, 120, 70), (120, 120, 120))[look.variety % 4], flat=0.8)


def _cyclist(brush: Brush, look: Look) -> None:
    turn = 2 * np.pi * look.pose / 6
    for x in (8, 30):
        brush.disc(x, 30.5, 7.4, TYRE)
        brush.disc(x, 30.5, 6.3, (136, 138, 140))
        brush.disc(x, 30.5, 1.2, DARK)
    frame = look.trim
    brush.line([(8, 30.5), (14, 21), (26.5, 20), (19, 30.5), (8, 30.5)], 1.2, frame)
    brush.line([(26, 17), (30, 30.5)], 1.2, frame)
    brush.line([(13, 19.5), (19, 30.5)], 1.2, frame)
    brush.line([(25, 16.5), (29, 16)], 1.2, DARK)
    for phase, tone in ((np.pi, 0.7), (0.0, 1.0)):
        foot = (19 + 3.4 * np.cos(turn + phase), 30.5 + 3.4 * np.sin(turn + phase))
        knee = (13 + (foot[0] - 13) / 2 + 4.5, (18.5 + foot[1]) / 2 - 2)
        brush.line([(13, 18.5), knee, foot], 2.4, shaded((48, 52, 66), tone))
    brush.line([(13, 18), (19.5, 8.5)], 5.4, look.paint)
    brush.line([(19, 10), (24, 14.5), (27.5, 16)], 2, shaded(look.paint, 0.8))
    brush.disc(22, 4.8, 2.9, SKIN)
    brush.disc(21.6, 3.6, 3.2, ((220, 220, 224), (40, 44, 54), (200, 60, 50))[look.variety % 3], flat=0.7)


def _dog(brush: Brush, look: Look) -> None:
    fur, swing = look.paint, np.sin(2 * np.pi * look.pose / 6) * 2.4
    for x, sign in ((6, 1), (16, -1), (7, -1), (17, 1)):
        brush.line([(x, 9), (x + sign * swing, 14.6)], 1.5, shaded(fur, 0.8 if sign > 0 else 1.0))
    brush.line([(4, 6.5), (0.8, 2.5)], 1.3, fur)
    brush.box(3.5, 5, 19, 10.6, fur, radius=2.6)
    brush.disc(20.5, 4.4, 2.8, fur)
    brush.box(21, 4, 25, 6.4, shaded(fur, 0.9), radius=1)
    brush.shape([(18.2, 2.4), (20.4, 1.6), (19, 6)], shaded(fur, 0.65))


KINDS = {
    "car": Kind(46, 18, 1, _car),
    "taxi": Kind(46, 18, 1, _taxi),
    "van": Kind(58, 25, 1, _van),
    "bus": Kind(112, 40, 1, _bus),
    "truck": Kind(97, 40, 1, _truck),
    "train": Kind(287, 36, 1, _train),
    "freight train": Kind(482, 36, 1, _freight),
    "person": Kind(20, 40, 6, _person),
    "umbrella": Kind(28, 40, 6, _with_umbrella),
    "cyclist": Kind(38, 38, 6, _cyclist),
    "dog": Kind(26, 15, 6, _dog),
}


def draw(look: Look, scale: float) -> Sprite:
    """Draw a thing; `scale` is pixels per unit."""
    kind = KINDS[look.kind]
    brush = Brush(kind.length, kind.height, scale * look.size)
    kind.draw(brush, look)
    return brush.sprite(flipped=look.left)
