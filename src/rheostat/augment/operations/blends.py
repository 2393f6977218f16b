"""Color, contrast, brightness and sharpness: each image mixed with a version of it that lacks just that.

Equal to Pillow's `ImageEnhance` at the factor 1 + amount: degenerate + factor (image - degenerate), held to [0, 255]
and cut off below the point; the same steps in single precision, in which all sums of levels here are exact.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

Images = UInt8[Tensor, "b c h w"]
Amount = Float[Tensor, " b"]
"""What is added to the factor 1: -1 = only the degenerate image is left, 0 = as it was, 1 = twice as far from it."""

Levels = Float[Tensor, "b c h w"]
"""Grey levels, whole numbers in [0, 255]."""


def color(images: Images, amount: Amount) -> Images:
    """Mix with the grey image; a grey image stays as it is."""
    if images.shape[1] == 1:
        return images
    levels = images.float()
    return _mixed(luma(levels), levels, amount)


def contrast(images: Images, amount: Amount) -> Images:
    """Mix with one level everywhere, the image's mean brightness, rounded to a whole level, halves up."""
    levels = images.float()
    mean = luma(levels).double().mean((1, 2, 3), keepdim=True)
    return _mixed((mean + 0.5).floor().float(), levels, amount)


def brightness(images: Images, amount: Amount) -> Images:
    """Mix with black."""
    return _mixed(torch.zeros((), device=images.device), images.float(), amount)


def sharpness(images: Images, amount: Amount) -> Images:
    """Mix with the smoothed image."""
    levels = images.float()
    return _mixed(smooth(levels), levels, amount)


def luma(levels: Levels) -> Float[Tensor, "b 1 h w"]:
    """Brightness as Pillow's `convert("L")` has it (ITU-R 601-2); a grey image is its own."""
    if levels.shape[1] == 1:
        return levels
    red, green, blue = levels.split(1, dim=1)
    # Pillow's weights, with 16 bits after the point: all sums are whole numbers below 2^24, so exact
    return (red * 19595).add_(green, alpha=38470).add_(blue, alpha=7471).add_(32768).div_(65536).floor_()


def smooth(levels: Levels) -> Levels:
    """Pillow's SMOOTH filter: 5/13 of the pixel and 1/13 of each neighbour, rounded; the outermost pixels are left."""
    width = levels.shape[3]
    smoothed = levels.clone()
    if min(levels.shape[2:]) < 3:
        return smoothed
    # along the memory as one long row; sums that run over an edge belong to the outermost pixels, and are not taken
    row = levels.flatten()
    across = (row[:-2] + row[1:-1]).add_(row[2:])
    around = row * 4
    inner = around[width + 1 : -width - 1]
    inner.add_(across[: -2 * width]).add_(across[width:-width]).add_(across[2 * width :])
    smoothed[:, :, 1:-1, 1:-1] = around.add_(6.5).div_(13).floor_().view_as(levels)[:, :, 1:-1, 1:-1]
    return smoothed


def _mixed(degenerate: Tensor, levels: Levels, amount: Amount) -> Images:
    mixed = (levels - degenerate).mul_((1 + amount)[:, None, None, None]).add_(degenerate).clamp_(0, 255)
    return mixed.to(torch.int16).to(torch.uint8)  # straight to bytes takes four times as long
