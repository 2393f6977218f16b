"""Between what a loop of one's own holds as images and the pixels that operations work on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from rheostat.errors import DataError, SettingsError


@dataclass(frozen=True)
class Normalised:
    """Images that have been normalised: (pixel / 255 - mean) / std, channel by channel.

    Args:
        mean: One number per channel, in [0, 1]; (0,) for images in [0, 1].
        std: One number per channel, > 0; (1,) for images in [0, 1].

    Raises:
        SettingsError: The two differ in length, or a `std` is not positive.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not self.mean:
            raise SettingsError(
                f"mean has {len(self.mean)} numbers and std {len(self.std)}: give one of each per channel"
            )
        if not all(0 < std < float("inf") for std in self.std):
            raise SettingsError(f"std is {self.std}: every standard deviation must be positive and finite")

    def to_pixels(self, images: Shaped[Tensor, "b c h w"]) -> UInt8[Tensor, "b c h w"]:
        """Round images to the nearest of 256 levels; what lies outside [0, 255] is held to it."""
        mean, std = self._tables(images)
        return ((images.float() * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)

    def from_pixels(
        self, pixels: UInt8[Tensor, "b c h w"], like: Shaped[Tensor, "n c h w"]
    ) -> Shaped[Tensor, "b c h w"]:
        """Normalise pixels, to the type of `like`."""
        mean, std = self._tables(like)
        return ((pixels.float() / 255 - mean) / std).to(like.dtype)

    def check(self, images: Shaped[Tensor, "b c h w"]) -> None:
        """Refuse images that are not what these numbers say; asks the device.

        Raises:
            DataError: A value is more than one level outside [0, 255], or the number of channels differs.
        """
        if len(self.mean) not in (1, images.shape[1]):
            raise DataError(
                f"images have {images.shape[1]} channels and the mean {len(self.mean)} numbers: give one each"
            )
        if images.numel() == 0:
            return
        mean, std = self._tables(images)
        low, high = (images.float() * std + mean).aminmax()
        if not (float(low) >= -1 / 255 and float(high) <= 1 + 1 / 255):
            raise DataError(
                f"images undone from mean {self.mean} and std {self.std} lie in [{float(low):.3g}, {float(high):.3g}]: "
                "they must lie in [0, 1]; give pixels=Normalised(mean, std) with what they were normalised by"
            )

    def _tables(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = torch.tensor([self.mean, self.std], device=images.device)[:, :, None, None]
        return mean, std
