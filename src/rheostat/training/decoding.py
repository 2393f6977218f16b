"""From the file of an image to its pixels, here or in worker processes; a file that is damaged is named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from rheostat.errors import DataError, MissingExtraError

_MODES = ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LA", "PA")  # 8 bits a channel, or fewer


class UndecodableError(DataError):
    """One image cannot be decoded; the others may."""


def hub() -> Any:
    """The package `datasets`."""
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("loading data needs `datasets`: pip install 'rheostat[train]'") from None
    return datasets


class Files:
    """The images of a split as they are in their files.

    Args:
        rows: A split of a `datasets` data set, whose images are not decoded.
        column: Name of the image column.
    """

    def __init__(self, rows: Any, column: str) -> None:
        self._rows = rows
        self._column = column

    def __len__(self) -> int:
        """Number of images."""
        return len(self._rows)

    def content(self, at: int) -> bytes:
        """The file of image `at`.

        Raises:
            UndecodableError: There is none.
        """
        return _content(self._rows[at][self._column], at)

    def name(self, at: int) -> str | None:
        """Path or name of the file of image `at`, if it has one."""
        encoded = self._rows[at][self._column]
        return None if encoded is None else encoded["path"]


@dataclass(frozen=True)
class Decode:
    """How a row becomes pixels `[C, H, W]`; can be sent to a worker process."""

    column: str
    channels: int
    height: int
    width: int
    resize: bool

    @classmethod
    def for_first_of(cls, rows: Any, column: str, image_size: int | None) -> Decode:
        """Take mode and size from the first image that can be decoded.

        Raises:
            DataError: None can be, or it is of a mode that 8 bits cannot hold.
        """
        image = _first_image(rows, column)
        if image.mode not in _MODES:
            raise DataError(
                f"images are of Pillow's mode {image.mode}, which 8 bits cannot hold: convert them to one of "
                f"{', '.join(_MODES)}"
            )
        channels = 1 if image.mode in ("1", "L") else 3
        width, height = (image_size, image_size) if image_size is not None else image.size
        return cls(column, channels, height, width, resize=image_size is not None)

    def __call__(self, encoded: Any, at: int) -> UInt8[Tensor, "c h w"]:
        """Decode the image of row `at`.

        Raises:
            UndecodableError: It is missing or damaged.
            DataError: It is of another size than the first, and no size to resize to was given.
        """
        image = _image(encoded, at).convert("L" if self.channels == 1 else "RGB")
        if self.resize:
            image = image.resize((self.width, self.height), resample=_bilinear(), reducing_gap=None)
        if image.size != (self.width, self.height):
            raise DataError(
                f"image {at} is {image.size[0]}x{image.size[1]} and the first one {self.width}x{self.height}: "
                f"give an image size to resize to, e.g. --image-size {min(self.width, self.height)}"
            )
        pixels = torch.from_numpy(np.array(image, dtype=np.uint8))
        return pixels[None] if self.channels == 1 else pixels.permute(2, 0, 1)


class Pixels(Dataset[Tensor | DataError]):
    """The decoded images of a split, for a DataLoader, or what is wrong with them.

    An error that a worker raises would come with the worker's traceback in its message, and workers that wait for five
    seconds before they end.
    """

    def __init__(self, rows: Any, decode: Decode) -> None:
        self._rows = rows
        self._decode = decode

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: int) -> Tensor | DataError:
        try:
            return self._decode(self._rows[at][self._decode.column], at)
        except DataError as error:
            return error


def stacked(images: list[Tensor | DataError]) -> tuple[Tensor | None, list[DataError | None]]:
    """The images of a batch that could be decoded, if any, and for each image what is wrong with it."""
    errors = [image if isinstance(image, DataError) else None for image in images]
    decoded = [image for image in images if not isinstance(image, DataError)]
    return default_collate(decoded) if decoded else None, errors


def all_pixels(rows: Any, decode: Decode) -> tuple[UInt8[Tensor, "n c h w"], dict[int, str]]:
    """Every image of a split, and what is wrong with those that cannot be decoded, which are black."""
    pixels = torch.zeros(len(rows), decode.channels, decode.height, decode.width, dtype=torch.uint8)
    damaged: dict[int, str] = {}
    for start in range(0, len(rows), 1000):  # rows one by one take three times as long
        for at, image in enumerate(rows[start : start + 1000][decode.column], start):
            try:
                pixels[at] = decode(image, at)
            except UndecodableError as error:
                damaged[at] = str(error)
    return pixels, damaged


def _first_image(rows: Any, column: str) -> Any:
    first: UndecodableError | None = None
    for at in range(len(rows)):
        try:
            return _image(rows[at][column], at)
        except UndecodableError as error:
            first = first or error
    raise DataError(f"none of the {len(rows)} images can be used, e.g. {first}")


def _content(encoded: dict[str, Any] | None, at: int) -> bytes:
    if encoded is None or (encoded["bytes"] is None and encoded["path"] is None):
        raise UndecodableError(f"image {at} is missing: add it or remove the row")
    if encoded["bytes"] is not None:
        return encoded["bytes"]
    try:
        return Path(encoded["path"]).read_bytes()
    except OSError as error:
        raise UndecodableError(f"image {at} ({encoded['path']}) cannot be read: {error.strerror}") from None


def _image(encoded: dict[str, Any] | None, at: int) -> Any:
    """The Pillow image of row `at`, out of the bytes of a file or of its path."""
    content = _content(encoded, at)
    try:
        return hub().Image().decode_example({"bytes": content, "path": None})
    except damage() as error:
        path = None if encoded is None else encoded["path"]
        name = f"image {at} ({path})" if path else f"image {at}"
        # Pillow names the file that it was given, which here is one in memory
        reason = re.sub(r" <_io\.BytesIO object at \w+>", "", str(error))
        raise UndecodableError(f"{name} cannot be decoded ({reason}): replace the file or remove the row") from None


def damage() -> tuple[type[Exception], ...]:
    """What Pillow raises on files that are damaged, or pretend to be huge."""
    from PIL import Image

    return OSError, ValueError, SyntaxError, Image.DecompressionBombError


def _bilinear() -> Any:
    from PIL import Image

    return Image.Resampling.BILINEAR
