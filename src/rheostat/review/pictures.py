"""The images of a data set as files that every browser shows."""

from __future__ import annotations

import base64
import io
from typing import NamedTuple

import torch
from PIL import Image, ImageOps

from rheostat.errors import DataError
from rheostat.training import ImageData
from rheostat.training.decoding import UndecodableError, damage

_SHOWN_BY_BROWSERS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
_SMALL = 64 * 64  # pixels; up to here thumbnails are lossless


class Picture(NamedTuple):
    """An image file.

    Attributes:
        content: Its bytes.
        media_type: For example ``image/png``.
    """

    content: bytes
    media_type: str

    @property
    def uri(self) -> str:
        """The file within a data URI."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.content).decode()}"


def picture_of(data: ImageData, index: int) -> Picture:
    """The training image at `index` as it is in the data set, converted to PNG where browsers do not show its format.

    Raises:
        UndecodableError: It is missing or damaged.
        DataError: `index` is outside the training split.
    """
    image = _decoded(data, index)
    if data.files is not None and image.format in _SHOWN_BY_BROWSERS:
        return Picture(data.files.content(index), _SHOWN_BY_BROWSERS[image.format])
    return _png(_plain(image))


def thumbnail_of(data: ImageData, index: int, side: int) -> Picture:
    """The training image at `index`, made to fit a square of `side` pixels if it is larger; raises as `picture_of`."""
    image = _plain(_decoded(data, index))
    image.thumbnail((side, side))
    if image.width * image.height <= _SMALL:
        return _png(image)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return Picture(file.getvalue(), "image/jpeg")


def _decoded(data: ImageData, index: int) -> Image.Image:
    size = len(data.train.labels)
    if not 0 <= index < size:
        raise DataError(f"index {index} is outside the training split: it must lie in [0, {size - 1}]")
    if data.files is None:  # made by a program: there are pixels and no files
        _, pixels = next(data.train.batches(torch.tensor([index]), 1))
        pixels = pixels[0].cpu()
        return Image.fromarray((pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)).numpy())
    content = data.files.content(index)
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except damage() as error:
        name = f" ({data.files.name(index)})" if data.files.name(index) else ""
        raise UndecodableError(f"image {index}{name} cannot be decoded ({error}): replace the file") from None
    return image


def _plain(image: Image.Image) -> Image.Image:
    """Upright, as training saw it; grey or colour, 8 bits a channel."""
    image = ImageOps.exif_transpose(image)
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _png(image: Image.Image) -> Picture:
    file = io.BytesIO()
    image.save(file, "PNG")
    return Picture(file.getvalue(), "image/png")
