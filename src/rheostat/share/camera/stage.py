"""Put together what is seen at one instant: place, actors, light. What of each actor is in view is counted exactly."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from rheostat.share.camera.backdrop import HEIGHT, TREE, Barrier, paint
from rheostat.share.camera.brush import FINE, Brush, Floats, Layer, Sprite
from rheostat.share.camera.light import Light
from rheostat.share.camera.things import Look, draw
from rheostat.share.camera.traffic import Actor
from rheostat.share.frames import Picture

_ARM = 46.0  # length of a barrier's arm, in units
_STEPS = 12  # positions of an arm between up and down
_KEPT = 160  # sprites that are not drawn anew
_SHADE = 0.5  # of the light that a full shadow takes
_FIELDS = 8  # different fields of noise


class Placed(NamedTuple):
    """A layer with its left upper corner, in pixels; it may reach out of the picture."""

    layer: Layer
    x: int
    y: int


class Shot(NamedTuple):
    """A picture `[H, W, 3]`, and which share of it each actor fills, then the barrier's arms."""

    picture: Picture
    shares: tuple[float, ...]
    barrier: float


class Stage:
    """Draws pictures of `width` x `height`; the place depends on `seed`."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 1000])
        self.width, self.height, self.scale = width, height, height / HEIGHT
        self.span = width / self.scale
        self._place = paint(width, height, rng)
        self._sprites: OrderedDict[Look, Sprite] = OrderedDict()
        self._arms = {side: [self._arm(side, n) for n in range(_STEPS + 1)] for side in (1, -1)}
        self._crown = _blotched(round(120 * self.scale), round(26 * self.scale), rng)
        self._clear = 1 - self._place.front.alpha
        self._noise = rng.standard_normal((_FIELDS, height + 16, width + 16, 3), dtype=np.float32)
        self._noise += 0.6 * self._noise.mean(axis=-1, keepdims=True)
        self._row = np.sin(np.linspace(0, 2 * np.pi, 2 * width, endpoint=False) * 2 + rng.uniform(0, 6)).astype(
            np.float32
        )

    def shot(self, actors: Sequence[Actor], down: float, light: Light, seconds: float, number: int) -> Shot:
        """Take a picture.

        Args:
            actors: All that may be in view.
            down: How far the barrier is down, in [0, 1].
            light: The light.
            seconds: Time since the start.
            number: Of the frame; decides on the noise.
        """
        canvas = self._lit_place(light, seconds)
        order = sorted(range(len(actors)), key=lambda at: actors[at].ground)
        placed = {at: self._placed(actors[at], seconds) for at in order}
        arms = [self._arm_placed(barrier, down) for barrier in self._place.barriers]
        if light.sun > 0.05:
            self._cast_crown(canvas, light, seconds)
            for at in order:
                self._cast(canvas, actors[at], light, seconds)
        before = [at for at in order if actors[at].ground < self._place.barriers[0].y]
        for at in before:
            self._stand(canvas, placed[at], actors[at], light, seconds)
        for arm in arms:
            _lay(canvas, arm)
        if down > 0:
            self._warn(canvas, light, seconds)
        for at in order[len(before) :]:
            self._stand(canvas, placed[at], actors[at], light, seconds)
        canvas *= (1 - self._place.front.alpha)[..., None]
        canvas += self._place.front.colour
        clear = self._clear.copy()
        seen = dict.fromkeys(order, 0.0)
        for at in reversed(order[len(before) :]):
            seen[at] = _seen(clear, placed[at])
        barrier = sum(_seen(clear, arm) for arm in arms)
        for at in reversed(before):
            seen[at] = _seen(clear, placed[at])
        pixels = self.width * self.height
        shares = tuple(seen[at] / pixels for at in range(len(actors)))
        return Shot(self._developed(canvas, light, number, seconds), shares, barrier / pixels)

    def _lit_place(self, light: Light, seconds: float) -> Floats:
        """The place as if in white light: what shines itself is divided by the light that comes later."""
        place = self._place
        canvas = place.ground.copy()
        rows = len(place.sky)
        shift = int(seconds * 3.1 * self.scale) % (2 * self.width)
        clouds = np.roll(place.clouds, -shift, axis=1)[:, : self.width] * np.float32(light.clouds * 0.85)
        fall = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
        sky = light.zenith + fall * (light.horizon - light.zenith)
        white = light.horizon * np.float32(0.35) + np.float32(0.7) * light.gain * 235
        sky = sky + clouds[..., None] * (white - sky)
        canvas[:rows] += place.sky[..., None] * sky / light.gain
        if light.night > 0:
            canvas += place.glow * (np.float32(light.night) / light.gain)
        return canvas

    def _sprite(self, look: Look) -> Sprite:
        if look not in self._sprites:
            self._sprites[look] = draw(look, self.scale)
            if len(self._sprites) > _KEPT:
                self._sprites.popitem(last=False)
        self._sprites.move_to_end(look)
        return self._sprites[look]

    def _placed(self, actor: Actor, seconds: float) -> Placed:
        sprite = self._sprite(actor.look_at(seconds))
        quarters = round(actor.left_at(seconds, self.span) * self.scale * FINE)
        return Placed(sprite.at(quarters % FINE), quarters // FINE, round(actor.ground * self.scale) - sprite.size[1])

    def _cast(self, canvas: Floats, actor: Actor, light: Light, seconds: float) -> None:
        """Darken the ground where an actor's shadow falls."""
        sprite = self._sprite(actor.looks[0])
        dark = sprite.shadow(round(light.lean * 7))
        left = round(actor.left_at(seconds, self.span) * self.scale) - (dark.shape[1] - sprite.size[0]) // 2
        box = _box(canvas, left, round(actor.ground * self.scale) - dark.shape[0] + 1, dark.shape)
        if box:
            inside, part = box
            canvas[inside] *= (1 - np.float32(_SHADE * light.sun) * dark[part])[..., None]

    def _cast_crown(self, canvas: Floats, light: Light, seconds: float) -> None:
        """The shadow of the tree, which wanders with the sun and sways in the wind."""
        x = TREE * self.span + 60 * light.lean + 1.2 * math.sin(seconds * 1.7)
        rows, columns = self._crown.shape
        box = _box(canvas, round(x * self.scale) - columns // 2, round(192 * self.scale) - rows // 2, (rows, columns))
        if box:
            inside, part = box
            canvas[inside] *= (1 - np.float32(_SHADE * light.sun) * self._crown[part])[..., None]

    def _arm(self, side: int, step: int) -> Placed:
        """An arm around its hinge at (0, 0): `step` 0 = up, the last one = down."""
        angle = math.radians(82) * (1 - step / _STEPS)
        brush = Brush(2 * _ARM + 4, _ARM + 8, self.scale)
        at = [_ARM + 2 + side * part * math.cos(angle) for part in np.linspace(-6, _ARM, 9)]
        up = [_ARM + 2 - part * math.sin(angle) for part in np.linspace(-6, _ARM, 9)]
        ends = list(zip(at, up, strict=True))
        for number in range(8):
            colour = (206, 40, 36) if number % 2 else (240, 238, 232)
            brush.line([ends[number], ends[number + 1]], 2.4, colour)
        return Placed(brush.layer(), -round((_ARM + 2) * self.scale), -round((_ARM + 2) * self.scale))

    def _arm_placed(self, barrier: Barrier, down: float) -> Placed:
        layer, x, y = self._arms[barrier.side][round(min(1.0, max(0.0, down)) * _STEPS)]
        return Placed(layer, x + round(barrier.x * self.scale), y + round((barrier.y - 11) * self.scale))

    def _stand(self, canvas: Floats, placed: Placed, actor: Actor, light: Light, seconds: float) -> None:
        """Paint an actor, and at night its lamp with the spot that it throws."""
        _lay(canvas, placed)
        if actor.lit and light.night > 0.05:
            look, left = actor.looks[0], actor.left_at(seconds, self.span)
            front, side = (left, -1) if look.left else (left + actor.length, 1)
            low = actor.ground - 7 * look.size
            white = np.float32(light.night) / light.gain
            self._shine(canvas, front + side * 12, low + 4, 13, 70 * white, flat=0.4)
            self._shine(canvas, front, low, 4, 170 * white)

    def _warn(self, canvas: Floats, light: Light, seconds: float) -> None:
        """The red lights of the crossing, one and the other in turn."""
        red = np.array((235, 30, 20), dtype=np.float32) / light.gain
        for barrier in self._place.barriers:
            self._shine(canvas, barrier.x + (2 if int(seconds * 2.5) % 2 else -2), barrier.y - 14, 4, red)

    def _shine(self, canvas: Floats, x: float, y: float, radius: float, colour: Floats, *, flat: float = 1) -> None:
        """Add a soft spot of light, its height `flat` of its width; all in units."""
        across, along = radius * self.scale, radius * flat * self.scale
        reach, tall = math.ceil(across), math.ceil(along)
        box = _box(canvas, round(x * self.scale) - reach, round(y * self.scale) - tall, (2 * tall + 1, 2 * reach + 1))
        if box:
            inside, (rows, columns) = box
            beside = (np.arange(columns.start, columns.stop) - reach) / across
            above = (np.arange(rows.start, rows.stop) - tall) / along
            spot = np.clip(1 - np.hypot(above[:, None], beside[None]), 0, None).astype(np.float32) ** 2
            canvas[inside] += spot[..., None] * colour

    def _developed(self, canvas: Floats, light: Light, number: int, seconds: float) -> Picture:
        """Light, shadows of clouds, and the noise of the sensor."""
        shift = int(seconds * 14 * self.scale) % (2 * self.width)
        row = np.roll(self._row, shift)[: self.width]
        gain = light.gain * (1 - np.float32(0.1 * light.clouds * light.sun) * (1 + row))[:, None]
        canvas *= gain
        chance = np.random.default_rng([number, 77])
        field, top, left = chance.integers((_FIELDS, 17, 17))
        grain = self._noise[field, top : top + self.height, left : left + self.width]
        canvas += grain * np.float32(1.6 + 2.4 * light.night)
        np.clip(canvas, 0, 255, out=canvas)
        return canvas.astype(np.uint8)


def _blotched(width: int, height: int, rng: np.random.Generator) -> Floats:
    """The shadow of leaves: an ellipse with holes of light, [height, width] in [0, 1]."""
    across, along = np.linspace(-1, 1, width)[None], np.linspace(-1, 1, height)[:, None]
    leaves = Image.fromarray(rng.random((9, 24)).astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    return np.clip((1 - across**2 - along**2) * 2 + np.asarray(leaves) - 0.5, 0, 1).astype(np.float32)


_Box = tuple[tuple[slice, slice], tuple[slice, slice]]


def _box(canvas: npt.NDArray[np.float32], x: int, y: int, shape: tuple[int, ...]) -> _Box | None:
    """Where a layer [h, w] at (x, y) lies in a picture, and which part of it; None = outside."""
    top, bottom = max(0, y), min(canvas.shape[0], y + shape[0])
    left, right = max(0, x), min(canvas.shape[1], x + shape[1])
    if top >= bottom or left >= right:
        return None
    return (slice(top, bottom), slice(left, right)), (slice(top - y, bottom - y), slice(left - x, right - x))


def _lay(canvas: Floats, placed: Placed) -> None:
    """Paint a layer over what is there."""
    if box := _box(canvas, placed.x, placed.y, placed.layer.alpha.shape):
        inside, part = box
        under = canvas[inside]
        under *= 1 - placed.layer.alpha[part][..., None]
        under += placed.layer.colour[part]


def _seen(clear: Floats, placed: Placed) -> float:
    """Pixels of a layer that nothing before it hides; from then on the layer hides what is behind it."""
    box = _box(clear, placed.x, placed.y, placed.layer.alpha.shape)
    if box is None:
        return 0.0
    inside, part = box
    alpha, open_ = placed.layer.alpha[part], clear[inside]
    pixels = float((alpha * open_).sum())
    open_ *= 1 - alpha
    return pixels
