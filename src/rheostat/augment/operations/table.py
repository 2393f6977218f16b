"""Which operations there are, and how far each of them goes.

| operation | unit of its magnitude | at level 0 | at level 1 | signed |
|---|---|---|---|---|
| shear-x, shear-y | pixels sideways per pixel along the other axis | 0 | 0.99 | yes |
| translate-x, translate-y | share of the image's width, height | 0 | 1 | yes |
| rotate | degrees, counter-clockwise | 0 | 135 | yes |
| posterize | bits kept per channel | 8 | 2 | no |
| solarize | grey level from which on a pixel is inverted | 255 | 0 | no |
| color, contrast, brightness, sharpness | what is added to the factor 1 | 0 | 0.99 | yes |
| cutout | side of the square, share of the image's shorter side | 0 | 0.5 | no |
| identity, auto-contrast, equalize, invert | none: 0 | 0 | 0 | no |

The ranges are the wide ones of TrivialAugment (Müller and Hutter, arXiv:2103.10158, table 1), which gives translation
as up to 32 pixels, the whole side of a CIFAR image; as a share of the side it means the same at every size. Invert
and cutout are not in that table: cutout ends at half the side, as on CIFAR-10 in arXiv:1708.04552, section 4.1.
"""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float, Float32, Integer, Real
from torch import Tensor

# name, magnitude at level 0, magnitude at level 1, signed
_ROWS = (
    ("identity", 0.0, 0.0, False),
    ("shear-x", 0.0, 0.99, True),
    ("shear-y", 0.0, 0.99, True),
    ("translate-x", 0.0, 1.0, True),
    ("translate-y", 0.0, 1.0, True),
    ("rotate", 0.0, 135.0, True),
    ("auto-contrast", 0.0, 0.0, False),
    ("equalize", 0.0, 0.0, False),
    ("posterize", 8.0, 2.0, False),
    ("solarize", 255.0, 0.0, False),
    ("color", 0.0, 0.99, True),
    ("contrast", 0.0, 0.99, True),
    ("brightness", 0.0, 0.99, True),
    ("sharpness", 0.0, 0.99, True),
    ("invert", 0.0, 0.0, False),
    ("cutout", 0.0, 0.5, False),
)

OPERATIONS: tuple[str, ...] = tuple(name for name, *_ in _ROWS)
"""The names; the position of a name is the id of its operation."""

IS_SIGNED: Tensor = torch.tensor([signed for *_, signed in _ROWS])
"""`[16]` bool: the magnitude has a direction, drawn as a sign; 0 is no change."""

HAS_MAGNITUDE: Tensor = torch.tensor([low != high for _, low, high, _ in _ROWS])
"""`[16]` bool: the level means something."""

SHEAR_X, SHEAR_Y, TRANSLATE_X, TRANSLATE_Y, ROTATE = (OPERATIONS.index(name) for name in OPERATIONS[1:6])
POSTERIZE, CUTOUT = (OPERATIONS.index(name) for name in ("posterize", "cutout"))


def magnitude_at(
    operation: Integer[Tensor, "*n"], level: Float[Tensor, "*n"], sign: Real[Tensor, "*n"]
) -> Float32[Tensor, "*n"]:
    """Magnitude of each operation at a level of its range, in its own unit (the table above).

    Args:
        operation: Ids, in [0, 16).
        level: How far through the range, in [0, 1]; looked at where `HAS_MAGNITUDE`.
        sign: -1 or +1; looked at where `IS_SIGNED`.

    Returns:
        Magnitudes of the same shape, on the same device; posterize is rounded to whole bits, halves to even.
    """
    start, span, is_signed = _ranges(operation.device)
    magnitude = start[operation] + span[operation] * level.float()
    magnitude = torch.where(operation == POSTERIZE, magnitude.round(), magnitude)
    return torch.where(is_signed[operation], magnitude * sign, magnitude)


@functools.cache
def _ranges(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Start, span and sign of the ranges, kept on each device where they are asked for."""
    start = torch.tensor([low for _, low, _, _ in _ROWS], device=device)
    end = torch.tensor([high for _, _, high, _ in _ROWS], device=device)
    return start, end - start, IS_SIGNED.to(device)
