"""The operations as Pillow has them, one image at a time."""

from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

NEAREST = Image.Resampling.NEAREST


def of_pillow(image: Tensor, name: str, magnitude: float, fill: int = 0) -> Tensor:
    """`[C, H, W]` uint8 through an operation of Pillow."""
    pixels = image.permute(1, 2, 0).numpy()
    picture = Image.fromarray(pixels[:, :, 0] if len(image) == 1 else pixels)
    done = torch.from_numpy(np.array(_done(picture, name, magnitude, fill)))
    return done[None] if len(image) == 1 else done.permute(2, 0, 1)


def _done(picture: Image.Image, name: str, magnitude: float, fill: int) -> Image.Image:
    width, height = picture.size
    colour: Any = fill if picture.mode == "L" else (fill,) * 3

    def affine(*coefficients: float) -> Image.Image:
        return picture.transform(picture.size, Image.Transform.AFFINE, coefficients, NEAREST, fillcolor=colour)

    match name:
        case "identity":
            return picture
        case "shear-x":
            return affine(1, magnitude, 0, 0, 1, 0)
        case "shear-y":
            return affine(1, 0, 0, magnitude, 1, 0)
        case "translate-x":
            return affine(1, 0, magnitude * width, 0, 1, 0)
        case "translate-y":
            return affine(1, 0, 0, 0, 1, magnitude * height)
        case "rotate":
            return picture.rotate(magnitude, NEAREST, fillcolor=colour)
        case "auto-contrast":
            return ImageOps.autocontrast(picture)
        case "equalize":
            return ImageOps.equalize(picture)
        case "posterize":
            return ImageOps.posterize(picture, int(magnitude))
        case "solarize":
            # by the number itself: Pillow's annotation asks for an int, its code compares
            return ImageOps.solarize(picture, magnitude)  # type: ignore[arg-type]
        case "color":
            return ImageEnhance.Color(picture).enhance(1 + magnitude)
        case "contrast":
            return ImageEnhance.Contrast(picture).enhance(1 + magnitude)
        case "brightness":
            return ImageEnhance.Brightness(picture).enhance(1 + magnitude)
        case "sharpness":
            return ImageEnhance.Sharpness(picture).enhance(1 + magnitude)
        case "invert":
            return ImageOps.invert(picture)
    raise ValueError(f"Pillow has no {name}")
