"""Shear, translation and rotation: one affine map per image, and one pass that samples all of them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64, Integer, UInt8
from torch import Tensor

from rheostat.augment.operations.table import ROTATE, SHEAR_X, SHEAR_Y, TRANSLATE_X, TRANSLATE_Y

_ONE = 1 << 16  # of the fixed point numbers


def affine(
    operation: Integer[Tensor, " b"], magnitude: Float[Tensor, " b"], height: int, width: int
) -> Float64[Tensor, "b 6"]:
    """Coefficients (a, b, c, d, e, f) of Pillow's AFFINE: pixel (x, y) shows (a x + b y + c, d x + e y + f).

    Shear and translation as in AutoAugment (Cubuk et al., arXiv:1805.09501, table 6, and its published code): shear
    keeps the upper left corner, (1, m, 0, 0, 1, 0), and a positive translation shows what is further right, or
    further down. Rotation is `Image.rotate`: about the centre, counter-clockwise. Any other operation is no map at all.

    Args:
        operation: Ids.
        magnitude: In the operation's unit.
        height: Of the images, in pixels.
        width: Of the images, in pixels.
    """
    magnitude = magnitude.double()

    def of(wanted: int) -> Tensor:
        return torch.where(operation == wanted, magnitude, 0)

    angle = of(ROTATE).deg2rad()
    cos, sin = angle.cos(), angle.sin()
    x, y = width / 2, height / 2
    # whole pixels, for Pillow translates by floating point numbers: rounded here, fixed point loses nothing
    right = (of(TRANSLATE_X) * width + 0.5).floor()
    down = (of(TRANSLATE_Y) * height + 0.5).floor()
    return torch.stack(
        [
            cos,
            of(SHEAR_X) - sin,
            x - x * cos + y * sin + right,
            of(SHEAR_Y) + sin,
            cos,
            y - x * sin - y * cos + down,
        ],
        dim=1,
    )


def warp(images: UInt8[Tensor, "b c h w"], coefficients: Float64[Tensor, "b 6"], fill: int) -> UInt8[Tensor, "b c h w"]:
    """Sample each image through its own affine map, by the nearest pixel; what lies outside is `fill`.

    The arithmetic is that of Pillow's `Image.transform(size, AFFINE, coefficients, NEAREST)`: centres of pixels, in
    fixed point numbers with 16 bits after the point. So the result is the same to the pixel.
    """
    count, channels, height, width = images.shape
    a, b, c, d, e, f = coefficients.unbind(1)
    start = torch.stack([c + a * 0.5 + b * 0.5, f + d * 0.5 + e * 0.5])
    steps = torch.stack([a, b, d, e])
    (a, b, d, e), (c, f) = _fixed(steps), _fixed(start)
    column = torch.arange(width, device=images.device, dtype=torch.int32)
    row = torch.arange(height, device=images.device, dtype=torch.int32)
    x = _source(a, b, c, row, column).clamp_(-1, width)
    y = _source(d, e, f, row, column).clamp_(-1, height)
    # a frame of one pixel around each image holds the fill, so that no pixel needs to be asked where it lies
    framed = images.new_full((count, channels, height + 2, width + 2), fill)
    framed[:, :, 1:-1, 1:-1] = images
    at = y.add_(1).mul_(width + 2).add_(x).add_(1).long()
    at = at.view(count, 1, height * width).expand(-1, channels, -1)
    return framed.flatten(2).gather(2, at).view_as(images)


def _fixed(values: Tensor) -> Tensor:
    return (values * _ONE + 0.5).floor().int()


def _source(per_column: Tensor, per_row: Tensor, start: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Where each pixel looks along one axis, `[B, H, W]` in pixels."""
    across = per_column[:, None] * column
    along = per_row[:, None] * row + start[:, None]
    return (along[:, :, None] + across[:, None, :]).bitwise_right_shift_(16)
