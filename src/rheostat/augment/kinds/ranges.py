"""The ranges of magnitudes that AutoAugment and RandAugment were published with; the operations go further."""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from rheostat.augment.operations import HAS_MAGNITUDE, IS_SIGNED, OPERATIONS

_ENDS = {
    "shear-x": (0.0, 0.3),
    "shear-y": (0.0, 0.3),
    "translate-x": (0.0, 150 / 331),  # pixels of a 331 pixel image
    "translate-y": (0.0, 150 / 331),
    "rotate": (0.0, 30.0),
    "posterize": (8.0, 4.0),
    "solarize": (255.0, 0.0),
    "color": (0.0, 0.9),
    "contrast": (0.0, 0.9),
    "brightness": (0.0, 0.9),
    "sharpness": (0.0, 0.9),
    "cutout": (0.0, 0.5),  # not in their tables: as far as everywhere else here
}


def published_magnitude(
    operation: Integer[Tensor, "*n"], level: Float[Tensor, "*n"], sign: Integer[Tensor, "*n"]
) -> tuple[Float[Tensor, "*n"], Float[Tensor, "*n"]]:
    """Magnitude of each operation at a level of its published range.

    Args:
        operation: Ids, of any shape.
        level: In [0, 1], 1 = strongest.
        sign: -1 or +1; looked at where the operation has one.

    Returns:
        Magnitudes in the units of `rheostat.augment.operations`, posterize in whole bits; and the levels, NaN for an
        operation without magnitude. All of the same shape.

    Source:
        Table 6 of arXiv:1805.09501. Signs as in torchvision: where the paper's factor of color, contrast, brightness
        and sharpness goes from 0.1 to 1.9, 1 plus or minus 0 to 0.9 covers the same.
    """
    start, span, signed, has = (table[operation] for table in _tables(operation.device))
    magnitude = start + span * level
    magnitude = torch.where(operation == OPERATIONS.index("posterize"), magnitude.round(), magnitude)
    return magnitude * sign.where(signed, 1), level.masked_fill(~has, torch.nan)


@functools.cache
def _tables(device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Start, span, whether there is a sign and whether there is a magnitude, `[16]` each, kept on devices."""
    start, end = torch.tensor([_ENDS.get(name, (0.0, 0.0)) for name in OPERATIONS], device=device).unbind(1)
    return start, end - start, IS_SIGNED.to(device), HAS_MAGNITUDE.to(device)
