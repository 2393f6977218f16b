"""Operations that give every grey level another one: auto-contrast, equalize, posterize, solarize, invert."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

Images = UInt8[Tensor, "b c h w"]


def auto_contrast(images: Images) -> Images:
    """Stretch each channel so that its darkest level becomes 0 and its lightest 255; one of one level is left.

    Equal to Pillow's `ImageOps.autocontrast`: the same steps in double precision.
    """
    darkest, lightest = (side.double()[:, :, None] for side in (images.amin((2, 3)), images.amax((2, 3))))
    # a tensor, for 255 / tensor is 255 times the reciprocal, which rounds twice
    scale = torch.full_like(darkest, 255) / (lightest - darkest)
    level = torch.arange(256, device=images.device)
    stretched = (level * scale - darkest * scale).clamp(0, 255)
    table = torch.where(lightest > darkest, stretched, level)
    return _looked_up(table, images.flatten(2).long()).view_as(images)


def equalize(images: Images) -> Images:
    """Spread the levels of each channel so that about as many pixels have each.

    Equal to Pillow's `ImageOps.equalize`: level i becomes (step // 2 + pixels darker than i) // step, where step is the
    number of pixels, those of the lightest level not counted, // 255; with a step of 0 the channel is left.
    """
    level = images.flatten(2).long()
    pixels = torch.zeros(*level.shape[:2], 256, dtype=torch.long, device=images.device)
    pixels.scatter_add_(2, level, torch.ones_like(level))
    darker = pixels.cumsum(2) - pixels
    lightest = images.amax((2, 3))[:, :, None].long()
    step = darker.gather(2, lightest) // 255
    table = (darker + step // 2) // step.clamp(min=1)
    table = torch.where(step > 0, table.clamp(max=255), torch.arange(256, device=images.device))
    return _looked_up(table, level).view_as(images)


def posterize(images: Images, bits: Float[Tensor, " b"]) -> Images:
    """Keep the highest `bits` of the eight, rounded to a whole number; equal to Pillow's `ImageOps.posterize`."""
    kept = 256 - torch.exp2(8 - bits.round().clamp(0, 8))
    return images & kept.to(torch.uint8)[:, None, None, None]


def solarize(images: Images, threshold: Float[Tensor, " b"]) -> Images:
    """Invert the pixels at or above `threshold`, in grey levels; equal to Pillow's `ImageOps.solarize`."""
    first = threshold.ceil().clamp(0, 256).to(torch.int16)[:, None, None, None]
    # the sign of the difference, spread over all bits; comparing and choosing bytes takes ten times as long
    below = ((images.to(torch.int16) - first) >> 15).to(torch.uint8)
    return ~images ^ below


def invert(images: Images) -> Images:
    """255 minus every level; equal to Pillow's `ImageOps.invert`."""
    return ~images


def _looked_up(table: Tensor, level: Tensor) -> Tensor:
    return table.to(torch.uint8).gather(2, level)
