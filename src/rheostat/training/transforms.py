"""Augmentation of whole batches where they are, with a decision of its own for every example."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor

Transform = Callable[[Tensor, torch.Generator], Tensor]
"""images `[B, C, H, W]`, generator on their device -> images of the same shape and type."""


def random_crop(
    images: Shaped[Tensor, "b c h w"], generator: torch.Generator, padding: int = 4
) -> Shaped[Tensor, "b c h w"]:
    """Shift each image by up to `padding` pixels in each direction; what comes into view is black (0).

    The usual augmentation of CIFAR: pad by 4 and crop to the old size (He et al., arXiv:1512.03385, section 4.2).
    """
    count, _, height, width = images.shape
    top, left = torch.randint(0, 2 * padding + 1, (2, count), generator=generator, device=images.device)
    # every window of every padded image as a view [B, C, 2p+1, 2p+1, H, W], of which one each is copied
    windows = F.pad(images, [padding] * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(count, device=images.device), :, top, left]


def random_flip(images: Shaped[Tensor, "b c h w"], generator: torch.Generator) -> Shaped[Tensor, "b c h w"]:
    """Mirror each image left to right with probability 1/2."""
    mirror = torch.rand(len(images), generator=generator, device=images.device) < 0.5
    return torch.where(mirror[:, None, None, None], images.flip(3), images)


def cutout(
    images: Shaped[Tensor, "b c h w"],
    generator: torch.Generator,
    share: float = 0.5,
    fill: Sequence[float] = (0.0,),
) -> Shaped[Tensor, "b c h w"]:
    """Set a square of each image to `fill`, one number or one per channel; 0 is the mean of normalised images.

    The centre falls anywhere, so the square may hang over the edge; its side is `share` of the shorter side, in (0, 1]
    (DeVries and Taylor, arXiv:1708.04552, section 3.1: 16 of 32 pixels on CIFAR-10).
    """
    count, _, height, width = images.shape
    device = images.device
    side = max(1, round(share * min(height, width)))
    y = torch.randint(0, height, (count, 1), generator=generator, device=device) - side // 2
    x = torch.randint(0, width, (count, 1), generator=generator, device=device) - side // 2
    row, column = torch.arange(height, device=device), torch.arange(width, device=device)
    rows = (row >= y) & (row < y + side)
    columns = (column >= x) & (column < x + side)
    hole = rows[:, None, :, None] & columns[:, None, None, :]
    if len(set(fill)) == 1:
        return images.masked_fill(hole, fill[0])
    colour = torch.tensor(fill, device=device).to(images.dtype)[:, None, None]
    return torch.where(hole, colour, images)


ON_PIXELS: dict[str, Transform] = {"crop": random_crop, "flip": random_flip}
"""Applied to uint8 pixels, before normalisation."""

ON_NORMALISED: dict[str, Transform] = {"cutout": cutout}
"""Applied to normalised images."""
