"""Shapes drawn large with Pillow, and the sprites that they become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Floats = npt.NDArray[np.float32]
Colour = tuple[int, int, int]
Point = tuple[float, float]

FINE = 4  # pixels that are drawn for one that is seen, along each side: edges become smooth, and steps a quarter


class Layer(NamedTuple):
    """What covers a picture: `colour` [h, w, 3] times alpha, 0 to 255, and `alpha` [h, w] in [0, 1]."""

    colour: Floats
    alpha: Floats


class Brush:
    """Draws on a transparent sheet of `width` x `height` units, y downwards; `scale` is pixels seen per unit."""

    def __init__(self, width: float, height: float, scale: float) -> None:
        self.factor = scale * FINE
        size = (max(1, round(width * scale)) * FINE, max(1, round(height * scale)) * FINE)
        self.sheet = Image.new("RGBA", size)
        self._draw = ImageDraw.Draw(self.sheet)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour, *, radius: float = 0) -> None:
        """A rectangle, its corners rounded if `radius` is above 0."""
        f = self.factor
        corners = (x0 * f, y0 * f, max(x0, x1) * f - 1, max(y0, y1) * f - 1)
        if corners[2] >= corners[0] and corners[3] >= corners[1]:
            self._draw.rounded_rectangle(corners, radius * f, fill=fill)

    def shape(self, points: Sequence[Point], fill: Colour) -> None:
        """A polygon."""
        self._draw.polygon([(x * self.factor, y * self.factor) for x, y in points], fill=fill)

    def disc(self, x: float, y: float, radius: float, fill: Colour, *, flat: float = 1) -> None:
        """A disc around (x, y), its height `flat` of its width."""
        f, tall = self.factor, radius * flat
        self._draw.ellipse(((x - radius) * f, (y - tall) * f, (x + radius) * f, (y + tall) * f), fill=fill)

    def line(self, points: Sequence[Point], width: float, fill: Colour) -> None:
        """A line through all points."""
        f = self.factor
        self._draw.line([(x * f, y * f) for x, y in points], fill=fill, width=max(1, round(width * f)), joint="curve")

    def layer(self) -> Layer:
        """The sheet as it is seen."""
        return _reduced(self.sheet)

    def sprite(self, *, flipped: bool = False) -> Sprite:
        """The sheet as something that moves; `flipped` = it looks to the left."""
        sheet = self.sheet.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flipped else self.sheet
        return Sprite(sheet)


class Sprite:
    """A thing that moves by less than a pixel; what was worked out once is kept.

    Args:
        sheet: What it looks like, drawn `FINE` times as large as it is seen.
    """

    def __init__(self, sheet: Image.Image) -> None:
        self.sheet = sheet
        self._layers: dict[int, Layer] = {}
        self._shadows: dict[int, Floats] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels seen."""
        return self.sheet.width // FINE, self.sheet.height // FINE

    def at(self, step: int) -> Layer:
        """The sprite `step` (0 to FINE - 1) quarters of a pixel further right; one pixel wider than `size`."""
        if step not in self._layers:
            wider = Image.new("RGBA", (self.sheet.width + FINE, self.sheet.height))
            wider.paste(self.sheet, (step, 0))
            self._layers[step] = _reduced(wider)
        return self._layers[step]

    def shadow(self, lean: int) -> Floats:
        """Its shadow on the ground, alpha [h, w]: a third as high, its top `lean` tenths of the height to the right."""
        if lean not in self._shadows:
            self._shadows[lean] = _shadow(self.at(0).alpha, lean)
        return self._shadows[lean]


def _shadow(alpha: Floats, lean: int) -> Floats:
    height = max(2, alpha.shape[0] // 3)
    shift = lean * alpha.shape[0] / 10
    reach = abs(round(shift))
    image = Image.fromarray((alpha * 255).astype(np.uint8)).resize((alpha.shape[1], height))
    wide = Image.new("L", (alpha.shape[1] + 2 * reach, height))
    wide.paste(image, (reach, 0))
    # the foot of the shadow stays where the thing stands, its head leans away
    sheared = wide.transform(
        wide.size, Image.Transform.AFFINE, (1, shift / height, -shift, 0, 1, 0), Image.Resampling.BILINEAR
    )
    return np.asarray(sheared, dtype=np.float32) / np.float32(255)


def _reduced(sheet: Image.Image) -> Layer:
    # "RGBa" is colour times alpha: what is transparent has no colour to bleed into the edges
    pixels = np.asarray(sheet.convert("RGBa").reduce(FINE), dtype=np.float32)
    return Layer(np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3]) / np.float32(255))


def shaded(colour: Colour, factor: float) -> Colour:
    """A colour made darker (`factor` below 1) or lighter."""
    red, green, blue = (min(255, round(value * factor)) for value in colour)
    return red, green, blue
