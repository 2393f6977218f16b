"""From a picture to what a base takes: the one place, for training and for serving alike.

Pillow resizes. torch with antialiasing gives the same to a grey level; the resizer of video decoders does not, and a
head trained on one and served with the other loses accuracy unseen.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from rheostat.errors import DataError
from rheostat.share.base import Preprocessing

Picture = npt.NDArray[np.uint8]
"""`[H, W, 3]`, red, green, blue."""


def resized(picture: Picture, preprocessing: Preprocessing) -> Picture:
    """Squeeze a picture to the size that the base takes, bilinear with antialiasing.

    Args:
        picture: `[H, W, 3]` uint8.
        preprocessing: Of the base.

    Raises:
        DataError: It is no such picture.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise DataError(f"a picture is {picture.dtype} {list(picture.shape)}: it must be uint8 [height, width, 3]")
    size = (preprocessing.width, preprocessing.height)
    if picture.shape[1::-1] == size:
        return picture
    # a reducing gap would be faster, and not the same
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


def normalised(pictures: Picture, preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    """Give resized pictures `[B, H, W, 3]` as `[B, 3, H, W]` float32, (pixel / 255 - mean) / std."""
    planes = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)).astype(np.float32)  # whole planes, then in place
    mean, std = (np.asarray(value)[:, None, None] for value in (preprocessing.mean, preprocessing.std))
    planes *= (1 / (255 * std)).astype(np.float32)
    planes += (-mean / std).astype(np.float32)
    return planes


def prepared(picture: Picture, preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    """Give one picture as the base takes it, `[1, 3, H, W]` float32."""
    return normalised(resized(picture, preprocessing)[None], preprocessing)
