"""The place itself: what stands behind all that moves, and what stands before it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from rheostat.share.camera.brush import Brush, Colour, Floats, Layer, shaded

HEIGHT = 216.0  # units from top to bottom; all places below are in units, y downwards
SKY = 84  # rows from here on downwards hold no sky
TRACK, VERGE, STREET, PAVEMENT, END = 110.0, 121.0, 130.0, 179.0, 213.0
CROSSING = (0.40, 0.52)  # where the road crosses the rails, as shares of the width
WALL = 0.30  # share of the width that a wall takes; who walks behind it is not seen
LAMP, TREE = 0.76, 0.955  # where they stand, as shares of the width

_GRASS, _ASPHALT, _PAVING, _BALLAST = (98, 122, 70), (92, 93, 97), (150, 146, 138), (126, 116, 104)
_WALLS = ((196, 178, 150), (176, 126, 98), (206, 200, 188), (150, 154, 160), (186, 150, 120), (168, 160, 132))
_ROOFS = ((120, 62, 48), (84, 72, 68), (102, 58, 44), (70, 76, 84))
_LEAVES = ((58, 92, 46), (72, 104, 52), (50, 80, 48), (84, 108, 58))


class Barrier(NamedTuple):
    """A post of the crossing, in units: its foot, and 1 if its arm reaches to the right, -1 if to the left."""

    x: float
    y: float
    side: int


@dataclass(frozen=True, eq=False)
class Backdrop:
    """The place, at the size of a picture.

    Attributes:
        ground: [H, W, 3], 0 to 255, in white light.
        sky: [rows, W], share of each pixel that is sky, in [0, 1].
        clouds: [rows, 2 W], how thick the clouds are, in [0, 1]; its ends fit together.
        glow: [H, W, 3], what windows and lamps add at night, 0 to 255.
        front: What hides whatever passes: a wall, masts, a tree.
        barriers: Both posts.
    """

    ground: Floats
    sky: Floats
    clouds: Floats
    glow: Floats
    front: Layer
    barriers: tuple[Barrier, Barrier]


def paint(width: int, height: int, rng: np.random.Generator) -> Backdrop:
    """Paint the place."""
    scale = height / HEIGHT
    span = width / scale
    back, light = Brush(span, HEIGHT, scale), Brush(span, HEIGHT, scale)
    _hills(back, span, rng)
    _houses(back, light, span, rng)
    _trees(back, span, rng)
    _land(back, span)
    _crossing(back, span)
    ground, alpha = (np.array(part[:height, :width]) for part in back.layer())
    ground *= _texture(width, height, scale, rng)[..., None]
    rows = math.ceil(SKY * scale)
    front = Brush(span, HEIGHT, scale)
    _before(front, light, span, rng)
    glow = light.layer().colour[:height, :width]
    return Backdrop(
        ground=ground,
        sky=1 - alpha[:rows],
        clouds=_clouds(rows, 2 * width, rng),
        glow=(glow + 1.4 * _blurred(glow, 5 * scale) + _pool(width, height, scale)).astype(np.float32),
        front=Layer(*(np.ascontiguousarray(part[:height, :width]) for part in front.layer())),
        barriers=(Barrier(CROSSING[0] * span - 8, VERGE + 5, 1), Barrier(CROSSING[1] * span + 12, VERGE + 5, -1)),
    )


def _hills(brush: Brush, span: float, rng: np.random.Generator) -> None:
    for level, colour in ((58, (142, 158, 164)), (67, (116, 138, 124))):
        phases = rng.uniform(0, 2 * np.pi, 3)
        line = [
            (x, level + 5 * np.sin(x / 61 + phases[0]) + 3 * np.sin(x / 23 + phases[1]) + np.sin(x / 9 + phases[2]))
            for x in np.linspace(0, span, 160)
        ]
        brush.shape([(0, 120), *line, (span, 120)], colour)


def _houses(brush: Brush, light: Brush, span: float, rng: np.random.Generator) -> None:
    left = -10.0
    while left < span:
        wide, tall = rng.uniform(34, 58), rng.uniform(26, 42)
        at_road = left < CROSSING[1] * span and left + wide > CROSSING[0] * span
        if not at_road and rng.random() < 0.85:
            _house(brush, light, left, wide, 104 - tall, rng)
        left += wide + rng.uniform(2, 14)


def _house(brush: Brush, light: Brush, x: float, wide: float, top: float, rng: np.random.Generator) -> None:
    wall, roof = _WALLS[int(rng.integers(len(_WALLS)))], _ROOFS[int(rng.integers(len(_ROOFS)))]
    brush.box(x, top, x + wide, 108, wall)
    if rng.random() < 0.6:
        brush.shape([(x - 3, top), (x + wide / 2, top - rng.uniform(9, 14)), (x + wide + 3, top)], roof)
    else:
        brush.shape([(x - 2, top), (x + 5, top - 8), (x + wide - 5, top - 8), (x + wide + 2, top)], roof)
    brush.box(x + wide * 0.72, top - 12, x + wide * 0.72 + 4, top - 5, shaded(roof, 0.8))
    for y in np.arange(top + 5, 96, 11):
        for left in np.arange(x + 5, x + wide - 8, 10):
            brush.box(left - 0.7, y - 0.7, left + 5.7, y + 6.7, shaded(wall, 1.18))
            brush.box(left, y, left + 5, y + 6, (70, 84, 98))
            brush.line([(left + 2.5, y), (left + 2.5, y + 6)], 0.5, shaded(wall, 1.1))
            if rng.random() < 0.5:
                light.box(left, y, left + 5, y + 6, (150, 116, 56))


def _trees(brush: Brush, span: float, rng: np.random.Generator) -> None:
    for x in rng.uniform(0, span, 11):
        if abs(x / span - sum(CROSSING) / 2) > 0.08:
            brush.box(x - 1.2, 84, x + 1.2, 108, (84, 66, 50))
            _crown(brush, x, rng.uniform(80, 90), rng.uniform(7, 13), rng)


def _crown(brush: Brush, x: float, y: float, radius: float, rng: np.random.Generator) -> None:
    colour = _LEAVES[int(rng.integers(len(_LEAVES)))]
    for _ in range(26):
        angle, far = rng.uniform(0, 2 * np.pi), radius * np.sqrt(rng.random())
        tone = shaded(colour, rng.uniform(0.78, 1.16) - 0.12 * np.sin(angle))
        brush.disc(x + far * np.cos(angle), y + 0.8 * far * np.sin(angle), radius * rng.uniform(0.2, 0.38), tone)


def _land(brush: Brush, span: float) -> None:
    brush.box(0, 101, span, VERGE, _GRASS)
    brush.shape([(0, 105), (span, 105), (span, 116), (0, 116)], _BALLAST)
    for x in np.arange(0, span, 5):
        brush.box(x, TRACK - 2, x + 2.2, TRACK + 3.4, (96, 78, 62))
    for y in (TRACK - 1.4, TRACK + 2.2):
        brush.line([(0, y), (span, y)], 0.9, (168, 164, 160))
    brush.box(0, 116, span, VERGE + 3, shaded(_GRASS, 0.9))
    brush.box(0, VERGE + 3, span, STREET, _PAVING)
    brush.line([(0, STREET), (span, STREET)], 1.2, (186, 184, 178))
    brush.box(0, STREET + 0.6, span, PAVEMENT, _ASPHALT)
    for x in np.arange(0, span, 22):
        brush.box(x, 152, x + 11, 153.2, (210, 208, 198))
    brush.line([(0, PAVEMENT), (span, PAVEMENT)], 1.8, (190, 188, 180))
    brush.box(0, PAVEMENT + 0.9, span, END, _PAVING)
    for x in np.arange(-30, span, 16):
        brush.line([(x, END), (x + 11, PAVEMENT + 1)], 0.4, shaded(_PAVING, 0.88))
    brush.box(0, END, span, HEIGHT, shaded(_GRASS, 0.82))


def _crossing(brush: Brush, span: float) -> None:
    left, right = (share * span for share in CROSSING)
    narrow = 0.22 * (right - left)
    brush.shape([(left, STREET), (right, STREET), (right - narrow, 96), (left + narrow, 96)], shaded(_ASPHALT, 1.04))
    brush.shape(
        [(left + narrow, 96), (right - narrow, 96), (right - 2 * narrow, 80), (left + 2 * narrow, 80)],
        shaded(_ASPHALT, 1.1),
    )
    for y in (TRACK - 1.4, TRACK + 2.2):
        brush.line([(left, y), (right, y)], 0.8, (176, 172, 168))
    brush.box(left + 2, 122, right - 2, 123.4, (222, 220, 212))
    for x in (left - 8, right + 12):  # the posts
        brush.box(x - 1.6, VERGE - 12, x + 1.6, VERGE + 5, (206, 206, 204))
        brush.shape(
            [(x - 5, VERGE - 20), (x + 5, VERGE - 15), (x + 5, VERGE - 13.6), (x - 5, VERGE - 18.6)], (214, 60, 50)
        )
        brush.shape(
            [(x + 5, VERGE - 20), (x - 5, VERGE - 15), (x - 5, VERGE - 13.6), (x + 5, VERGE - 18.6)], (236, 234, 228)
        )
        brush.box(x - 4, VERGE - 11, x + 4, VERGE - 7, (30, 30, 32), radius=1)


def _before(brush: Brush, light: Brush, span: float, rng: np.random.Generator) -> None:
    wire: Colour = (70, 72, 76)
    for x in np.arange(0.1 * span, span, 0.3 * span):  # masts of the railway, thinner than anybody is
        brush.box(x, 58, x + 1.6, 118, (112, 116, 118))
        brush.line([(x, 62), (x - 9, 66)], 0.8, wire)
    brush.line([(0, 66), (span, 66)], 0.4, wire)
    lamp = LAMP * span
    brush.box(lamp, 44, lamp + 2.2, 200, (76, 80, 84))
    brush.line([(lamp + 1, 45), (lamp - 15, 42)], 1.3, (76, 80, 84))
    brush.box(lamp - 20, 41, lamp - 12, 43.6, (92, 96, 100), radius=1)
    light.box(lamp - 20, 42, lamp - 12, 44.2, (255, 226, 160), radius=1)
    end = WALL * span
    brush.box(0, 162, end, HEIGHT, (136, 92, 76))
    for row, y in enumerate(np.arange(162, HEIGHT, 4)):
        brush.line([(0, y), (end, y)], 0.4, (116, 82, 70))
        for x in np.arange(-4 + 4 * (row % 2), end, 8):
            brush.box(x, y + 0.4, min(x + 7.6, end), y + 4, shaded((140, 94, 78), rng.uniform(0.86, 1.1)))
    brush.box(0, 160, end + 2, 163, (170, 164, 154), radius=0.8)
    for x in rng.uniform(0, 0.7 * end, 4):  # ivy
        _crown(brush, x, 196, 22, rng)
    trunk = TREE * span
    brush.shape([(trunk - 1.5, HEIGHT), (trunk - 1, 30), (trunk + 1.5, 30), (trunk + 2.5, HEIGHT)], (82, 66, 52))
    for _ in range(9):
        _crown(brush, trunk + rng.normal(0, 20), rng.uniform(2, 34), rng.uniform(11, 18), rng)


def _pool(width: int, height: int, scale: float) -> Floats:
    """The light of the lamp on the street, [H, W, 3]."""
    across = (np.arange(width) / scale - LAMP * width / scale + 16) / 40
    along = (np.arange(height) / scale - 168) / 15
    spot = np.exp(-2 * (across[None] ** 2 + along[:, None] ** 2)).astype(np.float32)
    return (spot[..., None] * np.array((88, 74, 46), dtype=np.float32)).astype(np.float32)


def _texture(width: int, height: int, scale: float, rng: np.random.Generator) -> Floats:
    """Fine and coarse grain, [H, W] around 1, none in the sky's part."""
    fine = rng.normal(0, 0.035, (height, width))
    coarse = _blurred(rng.normal(0, 1, (height, width, 1)).astype(np.float32), 3 * scale)[..., 0]
    grain = (1 + fine + 0.05 * coarse / max(float(coarse.std()), 1e-6)).astype(np.float32)
    grain[: round(96 * scale)] = 1 + (grain[: round(96 * scale)] - 1) * np.float32(0.3)
    return grain


def _clouds(rows: int, width: int, rng: np.random.Generator) -> Floats:
    """Soft heaps, [rows, width] in [0, 1]."""
    total = np.zeros((rows, width), dtype=np.float32)
    for level, cells in enumerate((3, 6, 12, 24)):
        grid = rng.random((max(2, cells // 2), cells)).astype(np.float32)
        grid = np.concatenate([grid, grid[:, :2]], axis=1)  # a margin, so that the ends fit together
        image = Image.fromarray(grid).resize(
            (width, rows), Image.Resampling.BICUBIC, box=(0.5, 0, 0.5 + cells, grid.shape[0])
        )
        total += np.asarray(image) / 2**level
    low, high = np.quantile(total, [0.35, 0.95])
    return np.clip((total - low) / (high - low), 0, 1).astype(np.float32)


def _blurred(picture: npt.NDArray[np.float32], radius: float) -> Floats:
    """Each channel [H, W, C] blurred."""
    blur = ImageFilter.GaussianBlur(radius)
    low, high = float(picture.min()), float(picture.max())
    reach = max(high - low, 1e-6)
    planes = [
        Image.fromarray(((picture[..., c] - low) * (255 / reach)).astype(np.uint8)).filter(blur)
        for c in range(picture.shape[2])
    ]
    return np.stack(
        [np.asarray(plane, dtype=np.float32) * np.float32(reach / 255) + np.float32(low) for plane in planes], axis=-1
    )
