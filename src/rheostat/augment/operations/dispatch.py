"""Every image of a batch through an operation of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Integer, UInt8
from torch import Tensor

from rheostat.augment.operations import blends, levels
from rheostat.augment.operations.table import CUTOUT, OPERATIONS, ROTATE, SHEAR_X
from rheostat.augment.operations.warp import affine, warp
from rheostat.errors import DataError, SettingsError

Images = UInt8[Tensor, "b c h w"]

_ON_LEVELS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "auto-contrast": lambda images, _: levels.auto_contrast(images),
    "equalize": lambda images, _: levels.equalize(images),
    "posterize": levels.posterize,
    "solarize": levels.solarize,
    "color": blends.color,
    "contrast": blends.contrast,
    "brightness": blends.brightness,
    "sharpness": blends.sharpness,
    "invert": lambda images, _: levels.invert(images),
}
"""images, magnitude -> images, of those operations that leave every pixel where it is."""

_AT_ONCE = 1 << 17  # pixels
_LARGEST = 8192  # pixels of a side: the warp counts in 32 bits, 16 of them after the point


def apply(
    images: Images,
    operation: Integer[Tensor, " b"],
    magnitude: Float[Tensor, " b"],
    generator: torch.Generator,
    fill: int = 0,
) -> Images:
    """Give each image its operation, at its magnitude.

    Each image comes out as if it were alone in the batch, to the pixel, and equal to what Pillow makes of it.
    Images are sorted by operation, so what an operation costs is paid for its own images only; there is one host
    synchronisation, for the number of images per operation, and none where `operation` is on the CPU.

    Args:
        images: `[B, C, H, W]` uint8 with C = 1 or 3 and sides of up to 8192 pixels; not changed.
        operation: `[B]` ids, positions in `OPERATIONS`, on the device of the images or on the CPU.
        magnitude: `[B]` in the operation's unit (`magnitude_at`), on the device of the images or on the CPU.
        generator: Draws the centres of cutout. Every call takes 2 B numbers from it, whatever the operations.
        fill: Grey level in [0, 255] of what comes into view from outside, and of cutout's square.

    Returns:
        `[B, C, H, W]` uint8, new memory.

    Raises:
        DataError: The batch is not as described above.
        SettingsError: `fill` is not a grey level.
    """
    _check(images, operation, magnitude, fill)
    magnitude = magnitude.to(images.device, torch.float32)
    operation, order = operation.sort()
    bounds = _bounds(operation)
    centre = torch.rand(2, len(images), generator=generator, device=generator.device)
    order = order.to(images.device)
    picked, magnitude = images.index_select(0, order), magnitude[order]

    for at in _rows(images, bounds[SHEAR_X], bounds[ROTATE + 1]):
        maps = affine(operation[at].to(images.device), magnitude[at], *images.shape[2:])
        picked[at] = warp(picked[at], maps, fill)
    for name, on_levels in _ON_LEVELS.items():
        for at in _rows(images, *bounds[OPERATIONS.index(name) :][:2]):
            picked[at] = on_levels(picked[at], magnitude[at])
    for at in _rows(images, *bounds[CUTOUT:]):
        picked[at] = cutout(picked[at], magnitude[at], centre.to(images.device)[:, order[at]], fill)
    return picked.index_select(0, order.argsort())


def cutout(images: Images, share: Float[Tensor, " b"], centre: Float[Tensor, "2 b"], fill: int) -> Images:
    """Set a square of each image to `fill`.

    The centre falls on any pixel, so the square may hang over the edge (DeVries and Taylor, arXiv:1708.04552,
    section 3.1).

    Args:
        images: The images.
        share: Side of the square, share of the shorter side of the image.
        centre: Row and column of the square's centre, in [0, 1) of the height and the width.
        fill: Grey level of the square.
    """
    height, width = images.shape[2:]
    side = (share * min(height, width)).round()[:, None]
    hidden = []
    for length, at in ((height, centre[0]), (width, centre[1])):
        pixel = torch.arange(length, device=images.device)
        first = (at[:, None] * length).floor() - (side / 2).floor()
        hidden.append(((pixel >= first) & (pixel < first + side)).byte().neg_())  # 255 or 0
    # masking bytes by bytes takes a tenth of the time of masking them by bools
    square = hidden[0][:, None, :, None] & hidden[1][:, None, None, :]
    return images & ~square | square & fill


def _bounds(operation: Tensor) -> list[int]:
    """Where each operation begins in the sorted ids, and where the last one ends."""
    ids = torch.arange(len(OPERATIONS) + 1, dtype=operation.dtype, device=operation.device)
    bounds = torch.searchsorted(operation, ids).tolist()
    if bounds[0] != 0 or bounds[-1] != len(operation):
        outside = operation[0 if bounds[0] != 0 else -1].item()
        raise DataError(
            f"operation holds {outside}, allowed are 0 to {len(OPERATIONS) - 1}: give positions in OPERATIONS"
        )
    return bounds


def _rows(images: Tensor, start: int, stop: int) -> Iterator[slice]:
    """The rows from `start` to `stop`: on a CPU by pieces whose intermediate results stay in its cache."""
    height, width = images.shape[2:]
    step = max(1, _AT_ONCE // (height * width)) if images.device.type == "cpu" else max(1, len(images))
    return (slice(at, min(at + step, stop)) for at in range(start, stop, step))


def _check(images: Tensor, operation: Tensor, magnitude: Tensor, fill: int) -> None:
    """Check what is known without looking into a tensor."""
    if images.dtype != torch.uint8:
        raise DataError(
            f"images are {images.dtype}, needed is torch.uint8 in [0, 255]: apply operations before normalising"
        )
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not all(0 < side <= _LARGEST for side in images.shape[2:]):
        raise DataError(
            f"images have shape {list(images.shape)}, needed is [B, C, H, W] with C = 1 or 3 and sides of "
            f"1 to {_LARGEST} pixels"
        )
    for name, values, kind in (("operation", operation, "whole"), ("magnitude", magnitude, "floating point")):
        if values.shape != images.shape[:1]:
            raise DataError(f"{name} has shape {list(values.shape)}, needed is [{len(images)}]: one per image")
        if values.is_floating_point() != (name == "magnitude") or values.dtype == torch.bool or values.is_complex():
            raise DataError(f"{name} is {values.dtype}, needed are {kind} numbers")
    if not 0 <= fill <= 255:
        raise SettingsError(f"fill is {fill}, allowed are grey levels in [0, 255]")
